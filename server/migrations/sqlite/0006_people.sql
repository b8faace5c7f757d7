-- Who may do what, and what was done. Of everything that lets somebody in, only a digest is kept.

CREATE TABLE users (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    -- The name as it is compared: normalised, lower case.
    name_key   TEXT NOT NULL UNIQUE,
    -- Argon2id in PHC form; NULL until one is chosen by a one-time link.
    password   TEXT,
    disabled   INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
    created_at TEXT NOT NULL,
    -- Counts changes, for ETag and If-Match.
    revision   INTEGER NOT NULL DEFAULT 1
) STRICT;

CREATE TABLE user_groups (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    -- Words with spaces between.
    permissions TEXT NOT NULL,
    -- 0: for the sources in group_sources alone.
    all_sources INTEGER NOT NULL CHECK (all_sources IN (0, 1)),
    created_at  TEXT NOT NULL,
    revision    INTEGER NOT NULL DEFAULT 1
) STRICT;

CREATE TABLE group_sources (
    group_id  TEXT NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
    source_id TEXT NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    PRIMARY KEY (group_id, source_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE group_members (
    group_id TEXT NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
    user_id  TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (group_id, user_id)
) STRICT, WITHOUT ROWID;

-- One-time links: to choose a password, or, without a user, to make the first administrator.
CREATE TABLE links (
    digest     TEXT PRIMARY KEY,
    user_id    TEXT REFERENCES users (id) ON DELETE CASCADE,
    expires_at TEXT NOT NULL
) STRICT;

CREATE TABLE sessions (
    id         TEXT PRIMARY KEY,
    digest     TEXT NOT NULL UNIQUE,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at TEXT NOT NULL,
    used_at    TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    address    TEXT NOT NULL,
    agent      TEXT NOT NULL
) STRICT;

CREATE TABLE tokens (
    id          TEXT PRIMARY KEY,
    digest      TEXT NOT NULL UNIQUE,
    user_id     TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name        TEXT NOT NULL,
    permissions TEXT NOT NULL,
    all_sources INTEGER NOT NULL CHECK (all_sources IN (0, 1)),
    created_at  TEXT NOT NULL,
    expires_at  TEXT NOT NULL,
    used_at     TEXT
) STRICT;

CREATE TABLE token_sources (
    token_id  TEXT NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    source_id TEXT NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    PRIMARY KEY (token_id, source_id)
) STRICT, WITHOUT ROWID;

-- Wrong sign-ins, by name and by address.
CREATE TABLE sign_in_tries (
    subject      TEXT PRIMARY KEY,
    wrong        INTEGER NOT NULL,
    last_at      TEXT NOT NULL,
    locked_until TEXT
) STRICT;

-- Nothing refers to what it names, so that it outlives that.
CREATE TABLE audit_log (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    at      TEXT NOT NULL,
    user_id TEXT,
    who     TEXT NOT NULL,
    via     TEXT NOT NULL,
    action  TEXT NOT NULL,
    target  TEXT NOT NULL,
    address TEXT NOT NULL,
    status  INTEGER NOT NULL,
    code    TEXT
) STRICT;

-- What is backed up or restored into: who may see a run depends on it. Empty for one from before this was written down.
ALTER TABLE runs ADD COLUMN source TEXT NOT NULL DEFAULT '';
