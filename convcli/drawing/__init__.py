"""Draw arrays as pictures: palettes, heatmaps and thumbnails."""
