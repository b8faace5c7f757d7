CREATE TABLE customers (
    id                   INTEGER PRIMARY KEY,
    name                 TEXT NOT NULL,
    email                TEXT NOT NULL UNIQUE COLLATE NOCASE,
    phone                TEXT,
    organisation         TEXT NOT NULL,
    language             TEXT NOT NULL DEFAULT 'de',
    portal_password_hash TEXT,
    notes                TEXT,
    created_at           TEXT NOT NULL
);

CREATE TABLE agents (
    id             INTEGER PRIMARY KEY,
    name           TEXT NOT NULL,
    email          TEXT NOT NULL UNIQUE COLLATE NOCASE,
    role           TEXT NOT NULL CHECK (role IN ('admin', 'lead', 'agent', 'left')),
    password_hash  TEXT NOT NULL,
    totp_secret    TEXT,
    recovery_codes TEXT,
    api_token      TEXT UNIQUE,
    avatar         BLOB,
    signature      TEXT,
    last_seen_at   TEXT
);

CREATE TABLE teams (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    lead_id INTEGER REFERENCES agents (id) ON DELETE SET NULL
);

CREATE TABLE team_members (
    team_id   INTEGER NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    agent_id  INTEGER NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    joined_on TEXT NOT NULL,
    PRIMARY KEY (team_id, agent_id)
);

-- Who is signed in at the moment.
CREATE TABLE sessions (
    token_hash BLOB PRIMARY KEY,
    agent_id   INTEGER NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    ip         TEXT NOT NULL,
    user_agent TEXT,
    expires_at INTEGER NOT NULL
);
