"""Arrays drawn as pictures: palettes, heatmaps and thumbnails."""
