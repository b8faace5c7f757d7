-- Where the archive of a backup without copies lies: in the own store of its server, or in a place that servers share, by its name.
ALTER TABLE backups ADD COLUMN store TEXT NOT NULL DEFAULT '';
