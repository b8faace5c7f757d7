-- Who may do what, and what was done. Of everything that lets somebody in, only a digest is kept.

CREATE TABLE users (
    id         TEXT COLLATE "C" PRIMARY KEY,
    name       TEXT COLLATE "C" NOT NULL,
    -- The name as it is compared: normalised, lower case.
    name_key   TEXT COLLATE "C" NOT NULL UNIQUE,
    -- Argon2id in PHC form; NULL until one is chosen by a one-time link.
    password   TEXT,
    disabled   BIGINT NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
    created_at TEXT COLLATE "C" NOT NULL,
    -- Counts changes, for ETag and If-Match.
    revision   BIGINT NOT NULL DEFAULT 1
);

CREATE TABLE user_groups (
    id          TEXT COLLATE "C" PRIMARY KEY,
    name        TEXT COLLATE "C" NOT NULL UNIQUE,
    -- Words with spaces between.
    permissions TEXT NOT NULL,
    -- 0: for the sources in group_sources alone.
    all_sources BIGINT NOT NULL CHECK (all_sources IN (0, 1)),
    created_at  TEXT COLLATE "C" NOT NULL,
    revision    BIGINT NOT NULL DEFAULT 1
);

CREATE TABLE group_sources (
    group_id  TEXT COLLATE "C" NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
    source_id TEXT COLLATE "C" NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    PRIMARY KEY (group_id, source_id)
);

CREATE TABLE group_members (
    group_id TEXT COLLATE "C" NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
    user_id  TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (group_id, user_id)
);

-- One-time links: to choose a password, or, without a user, to make the first administrator.
CREATE TABLE links (
    digest     TEXT COLLATE "C" PRIMARY KEY,
    user_id    TEXT COLLATE "C" REFERENCES users (id) ON DELETE CASCADE,
    expires_at TEXT COLLATE "C" NOT NULL
);

CREATE TABLE sessions (
    id         TEXT COLLATE "C" PRIMARY KEY,
    digest     TEXT COLLATE "C" NOT NULL UNIQUE,
    user_id    TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at TEXT COLLATE "C" NOT NULL,
    used_at    TEXT COLLATE "C" NOT NULL,
    expires_at TEXT COLLATE "C" NOT NULL,
    address    TEXT NOT NULL,
    agent      TEXT NOT NULL
);

CREATE TABLE tokens (
    id          TEXT COLLATE "C" PRIMARY KEY,
    digest      TEXT COLLATE "C" NOT NULL UNIQUE,
    user_id     TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name        TEXT COLLATE "C" NOT NULL,
    permissions TEXT NOT NULL,
    all_sources BIGINT NOT NULL CHECK (all_sources IN (0, 1)),
    created_at  TEXT COLLATE "C" NOT NULL,
    expires_at  TEXT COLLATE "C" NOT NULL,
    used_at     TEXT COLLATE "C"
);

CREATE TABLE token_sources (
    token_id  TEXT COLLATE "C" NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    source_id TEXT COLLATE "C" NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    PRIMARY KEY (token_id, source_id)
);

-- Wrong sign-ins, by name and by address.
CREATE TABLE sign_in_tries (
    subject      TEXT COLLATE "C" PRIMARY KEY,
    wrong        BIGINT NOT NULL,
    last_at      TEXT COLLATE "C" NOT NULL,
    locked_until TEXT COLLATE "C"
);

-- Nothing refers to what it names, so that it outlives that.
CREATE TABLE audit_log (
    seq     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C",
    who     TEXT NOT NULL,
    via     TEXT NOT NULL,
    action  TEXT NOT NULL,
    target  TEXT NOT NULL,
    address TEXT NOT NULL,
    status  BIGINT NOT NULL,
    code    TEXT
);

-- What is backed up or restored into: who may see a run depends on it. Empty for one from before this was written down.
ALTER TABLE runs ADD COLUMN source TEXT NOT NULL DEFAULT '';
