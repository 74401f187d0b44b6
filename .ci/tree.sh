# The other scripts here source this one. Copy the tree, without the files that git ignores, to a folder that is removed
# when the script ends, and go there.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents --target-directory "$tree"
cd "$tree"

export PIP_DISABLE_PIP_VERSION_CHECK=1
# BLAS then chooses the kernel for this processor, unless a script names another.
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
