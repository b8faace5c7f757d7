-- The fingerprint of the sender key that signed the archive; empty for a backup of a time before there was one.
ALTER TABLE backups ADD COLUMN sender TEXT NOT NULL DEFAULT '';
