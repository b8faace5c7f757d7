-- Archives that were uploaded stand beside those that were taken here.
ALTER TABLE backups ADD COLUMN origin TEXT NOT NULL DEFAULT 'taken' CHECK (origin IN ('taken', 'uploaded'));
-- Who uploaded it; empty for one that was taken.
ALTER TABLE backups ADD COLUMN uploaded_by TEXT NOT NULL DEFAULT '';
-- When all of it was last compared with its scrub table.
ALTER TABLE backups ADD COLUMN scrubbed_at TEXT;
