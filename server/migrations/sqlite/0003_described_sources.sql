-- Where the file is that describes the source; NULL for one that was added in the page.
ALTER TABLE sources ADD COLUMN config TEXT;
-- What became of the hooks around the job, JSON.
ALTER TABLE jobs ADD COLUMN hooks TEXT NOT NULL DEFAULT '[]';
