-- The server's own catalog: what it reaches, whom it seals to, what it stored and did. The same as for SQLite; texts are
-- compared by their bytes, as SQLite does, and whole numbers have 64 bits.

CREATE TABLE sources (
    id         TEXT COLLATE "C" PRIMARY KEY,
    name       TEXT COLLATE "C" NOT NULL UNIQUE,
    engine     TEXT NOT NULL CHECK (engine IN ('postgres', 'sqlite')),
    -- For people, without credentials.
    database   TEXT NOT NULL,
    -- To connect with; wrapped, and never answered by the API.
    url        TEXT NOT NULL,
    app        TEXT,
    preset     TEXT,
    created_at TEXT COLLATE "C" NOT NULL
);

CREATE TABLE file_sets (
    source   TEXT COLLATE "C" NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    name     TEXT COLLATE "C" NOT NULL,
    folder   TEXT NOT NULL,
    PRIMARY KEY (source, position),
    UNIQUE (source, name)
);

CREATE TABLE profiles (
    id          TEXT COLLATE "C" PRIMARY KEY,
    name        TEXT COLLATE "C" NOT NULL UNIQUE,
    fingerprint TEXT COLLATE "C" NOT NULL UNIQUE,
    -- Public.
    recipient   TEXT NOT NULL,
    -- The secret key under a password that the server never sees.
    locked      TEXT NOT NULL,
    created_at  TEXT COLLATE "C" NOT NULL
);

-- A backup outlives its source, so it keeps the source's name and refers to nothing.
CREATE TABLE backups (
    id          TEXT COLLATE "C" PRIMARY KEY,
    source      TEXT COLLATE "C" NOT NULL,
    source_name TEXT COLLATE "C" NOT NULL,
    -- The archive's name in the store.
    name        TEXT COLLATE "C" NOT NULL UNIQUE,
    -- 'storing' while its job runs: such a row found at start is what an interrupted job left.
    state       TEXT NOT NULL CHECK (state IN ('storing', 'verified', 'damaged')),
    size        BIGINT NOT NULL,
    -- SHA-256 of the stored file.
    sha256      TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    contents    TEXT NOT NULL,
    created_at  TEXT COLLATE "C" NOT NULL
);

CREATE TABLE jobs (
    id           TEXT COLLATE "C" PRIMARY KEY,
    kind         TEXT NOT NULL CHECK (kind IN ('backup', 'restore')),
    state        TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed', 'cancelled')),
    -- JSON, as the API answers them.
    progress     TEXT NOT NULL,
    result       TEXT,
    error_code   TEXT,
    error_detail TEXT,
    started_at   TEXT COLLATE "C" NOT NULL,
    ended_at     TEXT COLLATE "C"
);

CREATE INDEX jobs_by_start ON jobs (started_at);
