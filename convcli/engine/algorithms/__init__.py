"""The algorithms: one file each, with the functions that ``convcli.engine.interface`` describes."""
