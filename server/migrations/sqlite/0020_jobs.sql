-- What is configured: where backups go, what is backed up when, who is told; and what came of it.

CREATE TABLE destinations (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    -- JSON, without secrets.
    config     TEXT NOT NULL,
    -- JSON, wrapped; NULL where there is nothing to hide.
    secret     TEXT,
    created_at TEXT NOT NULL
) STRICT;

CREATE TABLE jobs (
    id             TEXT PRIMARY KEY,
    name           TEXT NOT NULL UNIQUE,
    profile        TEXT NOT NULL,
    sensitive      INTEGER NOT NULL CHECK (sensitive IN (0, 1)),
    enabled        INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    -- A cron pattern; NULL for a job that is only started by hand.
    schedule       TEXT,
    time_zone      TEXT NOT NULL,
    jitter_seconds INTEGER NOT NULL,
    catch_up       TEXT NOT NULL CHECK (catch_up IN ('none', 'one')),
    -- JSON.
    retention      TEXT NOT NULL,
    retries        INTEGER NOT NULL,
    retry_seconds  INTEGER NOT NULL,
    -- Whatever was due up to here has its row in job_runs.
    planned_until  TEXT NOT NULL,
    -- Grows with each change.
    version        INTEGER NOT NULL,
    created_at     TEXT NOT NULL
) STRICT;

CREATE TABLE job_sources (
    job      TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    source   TEXT NOT NULL,
    PRIMARY KEY (job, position),
    UNIQUE (job, source)
) STRICT;

CREATE TABLE job_destinations (
    job         TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    position    INTEGER NOT NULL,
    destination TEXT NOT NULL REFERENCES destinations (id),
    PRIMARY KEY (job, position),
    UNIQUE (job, destination)
) STRICT;

-- Each time that a job is due, or was asked for: what is to be done, who is at it, and what came of it.
CREATE TABLE job_runs (
    id           TEXT PRIMARY KEY,
    job          TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    -- When it was due; for one by hand, when it was asked for.
    due_at       TEXT NOT NULL,
    by_hand      INTEGER NOT NULL CHECK (by_hand IN (0, 1)),
    state        TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled', 'missed', 'skipped')),
    attempt      INTEGER NOT NULL,
    -- When it may be taken: when it was due, with jitter, or when it is to be tried again.
    not_before   TEXT NOT NULL,
    -- The lease: who is at it, until when if nothing is heard, and how often somebody took it. What an earlier holder still writes
    -- has a smaller number and is refused.
    holder       TEXT,
    expires_at   TEXT,
    fence        INTEGER NOT NULL,
    -- How many holders of this run were lost.
    lost         INTEGER NOT NULL,
    cancel       INTEGER NOT NULL CHECK (cancel IN (0, 1)),
    -- JSON.
    progress     TEXT NOT NULL,
    log          TEXT NOT NULL,
    error_code   TEXT,
    error_detail TEXT,
    started_at   TEXT,
    ended_at     TEXT,
    -- 'JOB at DUE' for one that the schedule asks for, so that none is planned twice.
    planned      TEXT UNIQUE
) STRICT;

-- One run of a job at a time, whatever anybody believes.
CREATE UNIQUE INDEX job_runs_at_work ON job_runs (job) WHERE state = 'running';
CREATE INDEX job_runs_open ON job_runs (not_before) WHERE state IN ('waiting', 'running');
CREATE INDEX job_runs_of ON job_runs (job, due_at);

-- What was found in a destination is 'adopted', and 'unverified' as long as nobody here could read it. SQLite changes no checks, so
-- the tables are made anew.
CREATE TABLE new_backups (
    id          TEXT PRIMARY KEY,
    source      TEXT NOT NULL,
    source_name TEXT NOT NULL,
    -- The archive's name in the store.
    name        TEXT NOT NULL UNIQUE,
    -- 'storing' while its run is at work: such a row found at start is what an interrupted run left.
    state       TEXT NOT NULL CHECK (state IN ('storing', 'verified', 'unverified', 'damaged')),
    size        INTEGER NOT NULL,
    -- SHA-256 of the stored file; empty where nobody wrote it down.
    sha256      TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    contents    TEXT NOT NULL,
    created_at  TEXT NOT NULL,
    sender      TEXT NOT NULL DEFAULT '',
    origin      TEXT NOT NULL DEFAULT 'taken' CHECK (origin IN ('taken', 'uploaded', 'adopted')),
    uploaded_by TEXT NOT NULL DEFAULT '',
    scrubbed_at TEXT,
    -- By which job and run it was taken; NULL by hand.
    job         TEXT,
    job_run     TEXT,
    -- Retention leaves it alone.
    locked      INTEGER NOT NULL DEFAULT 0,
    -- In which server's own store it lies; empty where that was not written down, and for what lies in destinations.
    server      TEXT NOT NULL DEFAULT ''
) STRICT;
INSERT INTO new_backups (id, source, source_name, name, state, size, sha256, fingerprint, contents, created_at, sender, origin, uploaded_by, scrubbed_at)
    SELECT id, source, source_name, name, state, size, sha256, fingerprint, contents, created_at, sender, origin, uploaded_by, scrubbed_at FROM backups;
DROP TABLE backups;
ALTER TABLE new_backups RENAME TO backups;

CREATE TABLE new_runs (
    id           TEXT PRIMARY KEY,
    kind         TEXT NOT NULL CHECK (kind IN ('backup', 'restore', 'adopt', 'rehearsal')),
    state        TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed', 'cancelled')),
    -- JSON, as the API answers them.
    progress     TEXT NOT NULL,
    result       TEXT,
    error_code   TEXT,
    error_detail TEXT,
    started_at   TEXT NOT NULL,
    ended_at     TEXT,
    hooks        TEXT NOT NULL DEFAULT '[]',
    -- What it works on: a source, or the destination that is looked through.
    source       TEXT NOT NULL DEFAULT '',
    -- Which server is at it; empty where that was not written down.
    server       TEXT NOT NULL DEFAULT ''
) STRICT;
INSERT INTO new_runs (id, kind, state, progress, result, error_code, error_detail, started_at, ended_at, hooks, source)
    SELECT id, kind, state, progress, result, error_code, error_detail, started_at, ended_at, hooks, source FROM runs;
DROP TABLE runs;
ALTER TABLE new_runs RENAME TO runs;
CREATE INDEX jobs_by_start ON runs (started_at);

-- Where the archive of a backup is. A backup without any copy is in the server's own store.
CREATE TABLE copies (
    backup      TEXT NOT NULL REFERENCES backups (id) ON DELETE CASCADE,
    destination TEXT NOT NULL REFERENCES destinations (id),
    -- 'storing' before its bytes were read again, 'unverified' when it was found there and nobody could.
    state       TEXT NOT NULL CHECK (state IN ('storing', 'verified', 'unverified', 'damaged')),
    checked_at  TEXT NOT NULL,
    PRIMARY KEY (backup, destination)
) STRICT;

-- Who is told when a job fails, is missed, or goes well again.
CREATE TABLE channels (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    -- JSON, without secrets.
    config     TEXT NOT NULL,
    -- JSON, wrapped.
    secret     TEXT,
    enabled    INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    created_at TEXT NOT NULL
) STRICT;

-- What is still to be told, in the same transaction as what it tells of.
CREATE TABLE notices (
    id         TEXT PRIMARY KEY,
    channel    TEXT NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    -- JSON.
    event      TEXT NOT NULL,
    attempt    INTEGER NOT NULL,
    not_before TEXT NOT NULL,
    error      TEXT,
    created_at TEXT NOT NULL
) STRICT;

CREATE INDEX notices_by_time ON notices (not_before);

-- Servers that share this catalog, and when each last said that it is there.
CREATE TABLE servers (
    id      TEXT PRIMARY KEY,
    seen_at TEXT NOT NULL
) STRICT;
