CREATE TABLE kb_articles (
    id           INTEGER PRIMARY KEY,
    slug         TEXT NOT NULL UNIQUE,
    title        TEXT NOT NULL,
    language     TEXT NOT NULL,
    body         TEXT,
    author_id    INTEGER NOT NULL REFERENCES agents (id),
    published_at TEXT
);

-- Filled from subjects and titles; the help desk can build it again at any time.
CREATE TABLE search_words (
    word      TEXT NOT NULL,
    kind      TEXT NOT NULL CHECK (kind IN ('ticket', 'article')),
    record_id INTEGER NOT NULL,
    PRIMARY KEY (word, kind, record_id)
) WITHOUT ROWID;
