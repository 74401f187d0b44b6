"""``convcli apply``: filter pictures and save the output maps."""
