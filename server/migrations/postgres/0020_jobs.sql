-- What is configured: where backups go, what is backed up when, who is told; and what came of it.

CREATE TABLE destinations (
    id         TEXT COLLATE "C" PRIMARY KEY,
    name       TEXT COLLATE "C" NOT NULL UNIQUE,
    -- JSON, without secrets.
    config     TEXT NOT NULL,
    -- JSON, wrapped; NULL where there is nothing to hide.
    secret     TEXT,
    created_at TEXT COLLATE "C" NOT NULL
);

CREATE TABLE jobs (
    id             TEXT COLLATE "C" PRIMARY KEY,
    name           TEXT COLLATE "C" NOT NULL UNIQUE,
    profile        TEXT NOT NULL,
    sensitive      BIGINT NOT NULL CHECK (sensitive IN (0, 1)),
    enabled        BIGINT NOT NULL CHECK (enabled IN (0, 1)),
    -- A cron pattern; NULL for a job that is only started by hand.
    schedule       TEXT,
    time_zone      TEXT NOT NULL,
    jitter_seconds BIGINT NOT NULL,
    catch_up       TEXT NOT NULL CHECK (catch_up IN ('none', 'one')),
    -- JSON.
    retention      TEXT NOT NULL,
    retries        BIGINT NOT NULL,
    retry_seconds  BIGINT NOT NULL,
    -- Whatever was due up to here has its row in job_runs.
    planned_until  TEXT COLLATE "C" NOT NULL,
    -- Grows with each change.
    version        BIGINT NOT NULL,
    created_at     TEXT COLLATE "C" NOT NULL
);

CREATE TABLE job_sources (
    job      TEXT COLLATE "C" NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    source   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (job, position),
    UNIQUE (job, source)
);

CREATE TABLE job_destinations (
    job         TEXT COLLATE "C" NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    position    BIGINT NOT NULL,
    destination TEXT COLLATE "C" NOT NULL REFERENCES destinations (id),
    PRIMARY KEY (job, position),
    UNIQUE (job, destination)
);

-- Each time that a job is due, or was asked for: what is to be done, who is at it, and what came of it.
CREATE TABLE job_runs (
    id           TEXT COLLATE "C" PRIMARY KEY,
    job          TEXT COLLATE "C" NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    -- When it was due; for one by hand, when it was asked for.
    due_at       TEXT COLLATE "C" NOT NULL,
    by_hand      BIGINT NOT NULL CHECK (by_hand IN (0, 1)),
    state        TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled', 'missed', 'skipped')),
    attempt      BIGINT NOT NULL,
    -- When it may be taken: when it was due, with jitter, or when it is to be tried again.
    not_before   TEXT COLLATE "C" NOT NULL,
    -- The lease: who is at it, until when if nothing is heard, and how often somebody took it. What an earlier holder still writes
    -- has a smaller number and is refused.
    holder       TEXT,
    expires_at   TEXT COLLATE "C",
    fence        BIGINT NOT NULL,
    -- How many holders of this run were lost.
    lost         BIGINT NOT NULL,
    cancel       BIGINT NOT NULL CHECK (cancel IN (0, 1)),
    -- JSON.
    progress     TEXT NOT NULL,
    log          TEXT NOT NULL,
    error_code   TEXT,
    error_detail TEXT,
    started_at   TEXT COLLATE "C",
    ended_at     TEXT COLLATE "C",
    -- 'JOB at DUE' for one that the schedule asks for, so that none is planned twice.
    planned      TEXT COLLATE "C" UNIQUE
);

-- One run of a job at a time, whatever anybody believes.
CREATE UNIQUE INDEX job_runs_at_work ON job_runs (job) WHERE state = 'running';
CREATE INDEX job_runs_open ON job_runs (not_before) WHERE state IN ('waiting', 'running');
CREATE INDEX job_runs_of ON job_runs (job, due_at);

-- What was found in a destination is 'adopted', and 'unverified' as long as nobody here could read it.
ALTER TABLE backups DROP CONSTRAINT backups_state_check,
    ADD CONSTRAINT backups_state_check CHECK (state IN ('storing', 'verified', 'unverified', 'damaged')),
    DROP CONSTRAINT backups_origin_check,
    ADD CONSTRAINT backups_origin_check CHECK (origin IN ('taken', 'uploaded', 'adopted'));
-- By which job and run it was taken; NULL by hand.
ALTER TABLE backups ADD COLUMN job TEXT COLLATE "C";
ALTER TABLE backups ADD COLUMN job_run TEXT COLLATE "C";
-- Retention leaves it alone.
ALTER TABLE backups ADD COLUMN locked BIGINT NOT NULL DEFAULT 0;
-- In which server's own store it lies; empty where that was not written down, and for what lies in destinations.
ALTER TABLE backups ADD COLUMN server TEXT COLLATE "C" NOT NULL DEFAULT '';

-- A run that adopts works on the destination that is looked through.
ALTER TABLE runs DROP CONSTRAINT jobs_kind_check,
    ADD CONSTRAINT runs_kind_check CHECK (kind IN ('backup', 'restore', 'adopt', 'rehearsal'));
-- Which server is at it; empty where that was not written down.
ALTER TABLE runs ADD COLUMN server TEXT COLLATE "C" NOT NULL DEFAULT '';

-- Where the archive of a backup is. A backup without any copy is in the server's own store.
CREATE TABLE copies (
    backup      TEXT COLLATE "C" NOT NULL REFERENCES backups (id) ON DELETE CASCADE,
    destination TEXT COLLATE "C" NOT NULL REFERENCES destinations (id),
    -- 'storing' before its bytes were read again, 'unverified' when it was found there and nobody could.
    state       TEXT NOT NULL CHECK (state IN ('storing', 'verified', 'unverified', 'damaged')),
    checked_at  TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (backup, destination)
);

-- Who is told when a job fails, is missed, or goes well again.
CREATE TABLE channels (
    id         TEXT COLLATE "C" PRIMARY KEY,
    name       TEXT COLLATE "C" NOT NULL UNIQUE,
    -- JSON, without secrets.
    config     TEXT NOT NULL,
    -- JSON, wrapped.
    secret     TEXT,
    enabled    BIGINT NOT NULL CHECK (enabled IN (0, 1)),
    created_at TEXT COLLATE "C" NOT NULL
);

-- What is still to be told, in the same transaction as what it tells of.
CREATE TABLE notices (
    id         TEXT COLLATE "C" PRIMARY KEY,
    channel    TEXT COLLATE "C" NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    -- JSON.
    event      TEXT NOT NULL,
    attempt    BIGINT NOT NULL,
    not_before TEXT COLLATE "C" NOT NULL,
    error      TEXT,
    created_at TEXT COLLATE "C" NOT NULL
);

CREATE INDEX notices_by_time ON notices (not_before);

-- Servers that share this catalog, and when each last said that it is there.
CREATE TABLE servers (
    id      TEXT COLLATE "C" PRIMARY KEY,
    seen_at TEXT COLLATE "C" NOT NULL
);
