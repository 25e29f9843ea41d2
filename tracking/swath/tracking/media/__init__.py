"""Media: images, tables, sound, films and the rest, as values of `log()`; `swath.tracking` has their public names."""
