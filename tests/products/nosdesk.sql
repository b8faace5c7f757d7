-- The tables of Nosdesk 1.0.12 on PostgreSQL, for tests: columns, keys and foreign keys as its fact sheet gives them.
-- Row level security and triggers are left out, and so is the ledger of migrations. Labels of sync_aggregate and
-- rule_application_status beyond those that the samples hold, and the columns of retired_slugs, are not known: ours.

CREATE TYPE ticket_priority AS ENUM ('low', 'medium', 'high');
CREATE TYPE workflow_state_category AS ENUM ('triage', 'backlog', 'active', 'in_review', 'done', 'cancelled', 'merged');
CREATE TYPE documentation_status AS ENUM ('draft', 'published', 'archived', 'deleted');
CREATE TYPE project_status AS ENUM ('active', 'completed', 'archived');
CREATE TYPE assignment_method AS ENUM ('direct_user', 'group_round_robin', 'group_random', 'group_queue');
CREATE TYPE rule_state AS ENUM ('draft', 'dry_run', 'live', 'archived');
CREATE TYPE rule_trigger_kind AS ENUM ('manual', 'ticket_created', 'ticket_updated', 'ticket_replied', 'time_elapsed');
CREATE TYPE sync_op AS ENUM ('I', 'U', 'D', 'A');
CREATE TYPE sync_aggregate AS ENUM ('ticket', 'comment', 'user', 'asset', 'project', 'documentation_page');
CREATE TYPE rule_application_status AS ENUM ('succeeded', 'skipped', 'failed');

CREATE TABLE email_suppressions (
    email text PRIMARY KEY,
    reason text NOT NULL,
    bounce_diagnostic text,
    bounce_count integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL,
    metadata jsonb NOT NULL
);
CREATE TABLE idempotency_keys (
    key text PRIMARY KEY,
    response_body jsonb NOT NULL,
    response_status smallint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE notification_types (
    id serial PRIMARY KEY,
    code varchar NOT NULL,
    name varchar NOT NULL,
    description text,
    category varchar NOT NULL,
    default_channels jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (code)
);
CREATE TABLE plugin_local_signing_key (
    id serial PRIMARY KEY,
    pubkey text NOT NULL,
    encrypted_sk bytea NOT NULL,
    fingerprint varchar NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    encrypted_sk_kek_id smallint NOT NULL
);
CREATE TABLE plugin_registry_state (
    id serial PRIMARY KEY,
    publishers_version bigint NOT NULL,
    index_version bigint NOT NULL,
    last_fetched_at timestamptz,
    last_fetch_error text,
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE plugin_trusted_publishers (
    id serial PRIMARY KEY,
    pubkey text NOT NULL,
    display_name varchar NOT NULL,
    tier varchar NOT NULL,
    website text,
    added_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE TABLE search_index_state (
    id serial PRIMARY KEY,
    entity_type varchar NOT NULL,
    last_indexed_at timestamptz,
    index_version integer NOT NULL,
    document_count integer NOT NULL,
    last_error text,
    last_error_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (entity_type)
);
CREATE TABLE system_meta (
    key text PRIMARY KEY,
    value jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE ticket_rule_runs (
    event_id uuid NOT NULL,
    ticket_id integer NOT NULL,
    rule_id integer NOT NULL,
    fired_at timestamptz NOT NULL,
    PRIMARY KEY (event_id, ticket_id, rule_id)
);
CREATE TABLE users (
    uuid uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name varchar NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    password_changed_at timestamptz,
    pronouns varchar,
    avatar_url varchar,
    banner_url varchar,
    avatar_thumb varchar,
    microsoft_uuid uuid,
    mfa_enabled boolean NOT NULL,
    feature_flag_overrides jsonb NOT NULL,
    deleted_at timestamptz,
    mfa_secret bytea,
    mfa_secret_kek_id smallint,
    platform_role varchar NOT NULL,
    CHECK ((mfa_secret IS NULL) = (mfa_secret_kek_id IS NULL))
);
CREATE TABLE webhook_outbox (
    sync_id bigint PRIMARY KEY,
    enqueued_at timestamptz NOT NULL
);
CREATE TABLE workspaces (
    id serial PRIMARY KEY,
    uuid uuid NOT NULL DEFAULT gen_random_uuid(),
    slug varchar NOT NULL,
    name varchar NOT NULL,
    plan varchar NOT NULL,
    settings jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    archived_at timestamptz,
    organisation_id integer,
    custom_domain text,
    seat_limit integer,
    UNIQUE (uuid),
    UNIQUE (slug),
    UNIQUE (custom_domain)
);
CREATE TABLE retired_slugs (
    id serial PRIMARY KEY,
    slug varchar NOT NULL UNIQUE,
    retired_at timestamptz NOT NULL DEFAULT now(),
    workspace_id integer NOT NULL REFERENCES workspaces
);
CREATE TABLE yjs_snapshots (
    id bigserial PRIMARY KEY,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    document_id text NOT NULL,
    snapshot bytea NOT NULL,
    state_vector bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE active_sessions (
    id serial PRIMARY KEY,
    user_uuid uuid NOT NULL REFERENCES users (uuid) ON DELETE CASCADE,
    device_name varchar,
    ip_address inet,
    user_agent text,
    location varchar,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_active timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    is_current boolean NOT NULL,
    session_id uuid NOT NULL,
    UNIQUE (session_id)
);
CREATE TABLE api_tokens (
    id serial PRIMARY KEY,
    uuid uuid NOT NULL DEFAULT gen_random_uuid(),
    token_hash varchar NOT NULL,
    token_prefix varchar NOT NULL,
    user_uuid uuid NOT NULL REFERENCES users (uuid) ON DELETE CASCADE,
    name varchar NOT NULL,
    scopes text[],
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid NOT NULL REFERENCES users (uuid),
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    last_used_ip inet,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    is_platform_scoped boolean NOT NULL,
    UNIQUE (uuid),
    UNIQUE (token_hash)
);
CREATE TABLE asset_kinds (
    id serial PRIMARY KEY,
    slug varchar NOT NULL,
    label varchar NOT NULL,
    description text,
    icon varchar,
    attribute_schema jsonb NOT NULL,
    sort_order integer NOT NULL,
    is_builtin boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    category varchar NOT NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    UNIQUE (workspace_id, slug)
);
CREATE TABLE assets (
    id serial PRIMARY KEY,
    name varchar NOT NULL,
    serial_number varchar,
    manufacturer varchar,
    model varchar,
    location varchar,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    notes text,
    primary_user_uuid uuid REFERENCES users (uuid) ON DELETE SET NULL,
    purchase_date date,
    asset_tag varchar,
    kind varchar NOT NULL,
    attributes jsonb NOT NULL,
    quantity numeric(12,3),
    unit varchar,
    external_sync_source varchar,
    low_stock_threshold numeric(12,3),
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    status varchar NOT NULL
);
CREATE UNIQUE INDEX assets_serial ON assets (workspace_id, serial_number) WHERE serial_number IS NOT NULL;
CREATE TABLE audit_log (
    id bigserial,
    table_name text NOT NULL,
    pk_text text NOT NULL,
    op character(1) NOT NULL,
    before_jsonb jsonb,
    after_jsonb jsonb,
    changed_cols text[],
    actor_uuid uuid,
    correlation_id uuid,
    occurred_at timestamptz NOT NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    PRIMARY KEY (id, occurred_at)
) PARTITION BY RANGE (occurred_at);
CREATE TABLE audit_log_2026_09 PARTITION OF audit_log FOR VALUES FROM ('2026-09-01 00:00:00+00') TO ('2026-10-01 00:00:00+00');
CREATE TABLE audit_log_default PARTITION OF audit_log DEFAULT;
CREATE TABLE backup_jobs (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    job_type varchar NOT NULL,
    status varchar NOT NULL,
    include_sensitive boolean NOT NULL,
    file_path text,
    file_size bigint,
    error_message text,
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces
);
CREATE TABLE bug_reports (
    id bigserial PRIMARY KEY,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    user_uuid uuid REFERENCES users (uuid) ON DELETE SET NULL,
    session_id uuid NOT NULL,
    description text NOT NULL,
    url text NOT NULL,
    breadcrumbs jsonb NOT NULL,
    build_sha varchar NOT NULL,
    user_agent text,
    viewport jsonb,
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL
);
CREATE TABLE canned_responses (
    id serial PRIMARY KEY,
    title varchar NOT NULL,
    body text NOT NULL,
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces
);
CREATE TABLE channels (
    id serial PRIMARY KEY,
    provider varchar NOT NULL,
    name varchar NOT NULL,
    enabled boolean NOT NULL,
    config jsonb NOT NULL,
    runtime_state jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    last_polled_at timestamptz,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces
);
CREATE TABLE csp_reports (
    id bigserial PRIMARY KEY,
    dedup_hash character(64) NOT NULL,
    effective_directive varchar NOT NULL,
    blocked_uri text,
    source_file text,
    line_number integer,
    column_number integer,
    document_uri text NOT NULL,
    referrer text,
    violated_directive varchar,
    original_policy text,
    disposition varchar NOT NULL,
    user_agent text,
    user_uuid uuid REFERENCES users (uuid) ON DELETE SET NULL,
    occurrence_count integer NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces
);
CREATE TABLE documentation_collections (
    id serial PRIMARY KEY,
    uuid uuid NOT NULL DEFAULT gen_random_uuid(),
    name varchar NOT NULL,
    slug varchar NOT NULL,
    description text,
    icon varchar,
    color varchar,
    is_system boolean NOT NULL,
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    display_order integer NOT NULL,
    description_yjs bytea,
    description_state_vector bytea,
    description_text text,
    hide_titles_from_non_members boolean NOT NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    fence_token bigint,
    require_verification boolean NOT NULL,
    UNIQUE (uuid),
    UNIQUE (workspace_id, slug)
);
CREATE TABLE documentation_pages (
    id serial PRIMARY KEY,
    uuid uuid NOT NULL DEFAULT gen_random_uuid(),
    title varchar NOT NULL,
    slug varchar NOT NULL,
    icon varchar,
    cover_image varchar,
    status documentation_status NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid NOT NULL REFERENCES users (uuid) ON DELETE RESTRICT,
    last_edited_by uuid NOT NULL REFERENCES users (uuid) ON DELETE RESTRICT,
    parent_id integer REFERENCES documentation_pages ON DELETE CASCADE,
    display_order integer,
    is_public boolean NOT NULL,
    is_template boolean NOT NULL,
    archived_at timestamptz,
    yjs_state_vector bytea,
    yjs_document bytea,
    yjs_client_id bigint,
    has_unsaved_changes boolean NOT NULL,
    deleted_at timestamptz,
    verified_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    verified_at timestamptz,
    verify_interval_days integer,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    fence_token bigint,
    UNIQUE (uuid),
    UNIQUE (workspace_id, slug)
);
CREATE TABLE documentation_revisions (
    id serial PRIMARY KEY,
    page_id integer NOT NULL REFERENCES documentation_pages ON DELETE CASCADE,
    revision_number integer NOT NULL,
    title varchar NOT NULL,
    yjs_document_snapshot bytea NOT NULL,
    yjs_state_vector bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid NOT NULL REFERENCES users (uuid) ON DELETE RESTRICT,
    change_summary text,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    UNIQUE (page_id, revision_number)
);
CREATE TABLE documentation_starred_pages (
    id serial PRIMARY KEY,
    user_uuid uuid NOT NULL REFERENCES users (uuid) ON DELETE CASCADE,
    page_id integer NOT NULL REFERENCES documentation_pages ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    UNIQUE (user_uuid, page_id)
);
CREATE TABLE documentation_subscriptions (
    id serial PRIMARY KEY,
    user_uuid uuid NOT NULL REFERENCES users (uuid) ON DELETE CASCADE,
    page_id integer NOT NULL REFERENCES documentation_pages ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    UNIQUE (user_uuid, page_id)
);
CREATE TABLE groups (
    id serial PRIMARY KEY,
    uuid uuid NOT NULL DEFAULT gen_random_uuid(),
    name varchar NOT NULL,
    description text,
    color varchar,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    external_id varchar,
    external_source varchar,
    group_type varchar,
    mail_enabled boolean NOT NULL,
    security_enabled boolean NOT NULL,
    last_synced_at timestamptz,
    sync_enabled boolean NOT NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    UNIQUE (uuid)
);
CREATE UNIQUE INDEX groups_external ON groups (external_id) WHERE external_id IS NOT NULL;
CREATE TABLE import_jobs (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    job_type varchar NOT NULL,
    status varchar NOT NULL,
    filename varchar NOT NULL,
    file_path text NOT NULL,
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz,
    summary jsonb,
    records_committed integer,
    error_message text,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces
);
CREATE TABLE knowledge_gaps (
    id bigserial PRIMARY KEY,
    title text NOT NULL,
    description text,
    status varchar NOT NULL,
    assignee_uuid uuid REFERENCES users (uuid) ON DELETE SET NULL,
    resolved_page_id integer REFERENCES documentation_pages ON DELETE SET NULL,
    evidence_count integer NOT NULL,
    last_evidence_at timestamptz,
    impact_score integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    dismissed_at timestamptz,
    dismissed_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    resolved_at timestamptz,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces
);
CREATE TABLE notification_preferences (
    id serial PRIMARY KEY,
    user_uuid uuid NOT NULL REFERENCES users (uuid) ON DELETE CASCADE,
    notification_type_id integer NOT NULL REFERENCES notification_types ON DELETE CASCADE,
    channel varchar NOT NULL,
    enabled boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    UNIQUE (user_uuid, notification_type_id, channel)
);
CREATE TABLE notification_rate_limits (
    id serial PRIMARY KEY,
    user_uuid uuid NOT NULL REFERENCES users (uuid) ON DELETE CASCADE,
    notification_type_id integer NOT NULL REFERENCES notification_types ON DELETE CASCADE,
    entity_type varchar NOT NULL,
    entity_id integer NOT NULL,
    last_notified_at timestamptz NOT NULL
);
CREATE TABLE notifications (
    id serial PRIMARY KEY,
    uuid uuid NOT NULL DEFAULT gen_random_uuid(),
    user_uuid uuid NOT NULL REFERENCES users (uuid) ON DELETE CASCADE,
    notification_type_id integer NOT NULL REFERENCES notification_types ON DELETE CASCADE,
    entity_type varchar NOT NULL,
    entity_id integer NOT NULL,
    title varchar NOT NULL,
    body text,
    metadata jsonb,
    channels_delivered jsonb NOT NULL,
    is_read boolean NOT NULL,
    read_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    UNIQUE (uuid)
);
CREATE TABLE passkey_credentials (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_uuid uuid NOT NULL REFERENCES users (uuid) ON DELETE CASCADE,
    credential_id text NOT NULL,
    name varchar NOT NULL,
    credential jsonb NOT NULL,
    transports text[] NOT NULL,
    backup_eligible boolean NOT NULL,
    backup_state boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    sign_count bigint NOT NULL,
    backup_state_changed_at timestamptz,
    UNIQUE (credential_id)
);
CREATE TABLE plugins (
    id serial PRIMARY KEY,
    uuid uuid NOT NULL DEFAULT gen_random_uuid(),
    name varchar NOT NULL,
    display_name varchar NOT NULL,
    version varchar NOT NULL,
    description text,
    manifest jsonb NOT NULL,
    trust_level varchar NOT NULL,
    installed_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    installed_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    bundle_hash varchar,
    bundle_size integer,
    bundle_uploaded_at timestamptz,
    source varchar NOT NULL,
    signer_pubkey text,
    signer_source varchar,
    signature_metadata jsonb,
    icon_svg bytea,
    state varchar NOT NULL,
    bundle_js bytea,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    UNIQUE (uuid),
    UNIQUE (workspace_id, name)
);
CREATE TABLE projects (
    id serial PRIMARY KEY,
    name varchar NOT NULL,
    description text,
    status project_status NOT NULL,
    start_date date,
    end_date date,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    owner_uuid uuid REFERENCES users (uuid) ON DELETE SET NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces
);
CREATE TABLE refresh_tokens (
    id serial PRIMARY KEY,
    token_hash varchar NOT NULL,
    user_uuid uuid NOT NULL REFERENCES users (uuid) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    session_id uuid REFERENCES active_sessions (session_id) ON DELETE CASCADE,
    family_id uuid NOT NULL,
    is_used boolean NOT NULL,
    used_at timestamptz,
    replaced_by_hash varchar,
    grace_expires_at timestamptz,
    UNIQUE (token_hash)
);
CREATE TABLE reset_tokens (
    token_hash varchar PRIMARY KEY,
    user_uuid uuid NOT NULL REFERENCES users (uuid) ON DELETE CASCADE,
    token_type varchar NOT NULL,
    ip_address inet,
    user_agent text,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    is_used boolean NOT NULL,
    metadata jsonb
);
CREATE TABLE rules (
    id serial PRIMARY KEY,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    name varchar NOT NULL,
    description text,
    trigger_kind rule_trigger_kind NOT NULL,
    trigger_config jsonb NOT NULL,
    conditions jsonb NOT NULL,
    actions jsonb NOT NULL,
    reads_set text[] NOT NULL,
    writes_set text[] NOT NULL,
    state rule_state NOT NULL,
    priority integer NOT NULL,
    last_fired_at timestamptz,
    fire_count integer NOT NULL,
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    archived_at timestamptz
);
CREATE TABLE saved_views (
    id serial PRIMARY KEY,
    uuid uuid NOT NULL DEFAULT gen_random_uuid(),
    scope varchar NOT NULL,
    scope_id text,
    name varchar NOT NULL,
    shape jsonb NOT NULL,
    filter jsonb NOT NULL,
    created_by uuid NOT NULL REFERENCES users (uuid) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    dataset varchar NOT NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    viz_type varchar NOT NULL,
    viz_config jsonb NOT NULL,
    UNIQUE (uuid)
);
CREATE TABLE search_query_log (
    id bigserial PRIMARY KEY,
    query_raw text NOT NULL,
    query_norm text NOT NULL,
    result_count integer NOT NULL,
    searched_at timestamptz NOT NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces
);
CREATE TABLE security_events (
    id serial PRIMARY KEY,
    user_uuid uuid REFERENCES users (uuid) ON DELETE CASCADE,
    event_type varchar NOT NULL,
    ip_address inet,
    user_agent text,
    location varchar,
    details jsonb,
    severity varchar NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    session_id integer REFERENCES active_sessions ON DELETE SET NULL
);
CREATE TABLE site_settings (
    id serial PRIMARY KEY,
    app_name varchar NOT NULL,
    logo_url varchar,
    logo_light_url varchar,
    favicon_url varchar,
    primary_color varchar,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    updated_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    guest_tickets_enabled boolean NOT NULL,
    guest_public_docs_enabled boolean NOT NULL,
    guest_kb_search_enabled boolean NOT NULL,
    guest_ticket_lookup_enabled boolean NOT NULL,
    guest_help_page_enabled boolean NOT NULL,
    guest_ticket_default_priority varchar,
    guest_ticket_rate_limit_per_hour integer NOT NULL,
    guest_ticket_email_verification boolean NOT NULL,
    guest_ticket_attachments_enabled boolean NOT NULL,
    guest_ticket_intro_message text,
    channel_auto_ack_enabled boolean NOT NULL,
    channel_auto_ack_template text,
    feature_flags jsonb NOT NULL,
    default_locale text NOT NULL,
    default_timezone text NOT NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    signature_default text,
    email_security_note_enabled boolean NOT NULL,
    email_security_note_template text
);
CREATE TABLE sync_actions (
    sync_id bigserial,
    event_uuid uuid NOT NULL,
    aggregate sync_aggregate NOT NULL,
    aggregate_id text NOT NULL,
    op sync_op NOT NULL,
    event_type varchar NOT NULL,
    schema_version smallint NOT NULL,
    data jsonb NOT NULL,
    groups text[] NOT NULL,
    actor_uuid uuid,
    actor_kind varchar NOT NULL,
    actor_ref text,
    correlation_id uuid,
    causation_id uuid,
    client_tx_id text,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    xid8 bigint,
    PRIMARY KEY (sync_id, occurred_at)
) PARTITION BY RANGE (occurred_at);
CREATE TABLE sync_actions_2026_09 PARTITION OF sync_actions FOR VALUES FROM ('2026-09-01 00:00:00+00') TO ('2026-10-01 00:00:00+00');
CREATE TABLE sync_actions_default PARTITION OF sync_actions DEFAULT;
CREATE TABLE sync_delta_tokens (
    id serial PRIMARY KEY,
    provider_type varchar NOT NULL,
    entity_type varchar NOT NULL,
    delta_link text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces
);
CREATE TABLE sync_history (
    id serial PRIMARY KEY,
    sync_type varchar NOT NULL,
    status varchar NOT NULL,
    started_at timestamptz NOT NULL,
    completed_at timestamptz,
    error_message text,
    records_processed integer,
    records_created integer,
    records_updated integer,
    records_failed integer,
    tenant_id varchar,
    initiated_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    is_delta boolean NOT NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces
);
CREATE TABLE tags (
    id serial PRIMARY KEY,
    name varchar NOT NULL,
    color varchar,
    description text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    archived_at timestamptz,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    UNIQUE (workspace_id, name)
);
CREATE TABLE ticket_categories (
    id serial PRIMARY KEY,
    uuid uuid NOT NULL DEFAULT gen_random_uuid(),
    name varchar NOT NULL,
    description text,
    color varchar,
    icon varchar,
    display_order integer NOT NULL,
    is_active boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    UNIQUE (uuid),
    UNIQUE (workspace_id, name)
);
CREATE TABLE user_auth_identities (
    id serial PRIMARY KEY,
    user_uuid uuid NOT NULL REFERENCES users (uuid) ON DELETE CASCADE,
    provider_type varchar NOT NULL,
    external_id varchar NOT NULL,
    email varchar,
    metadata jsonb,
    password_hash varchar,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    UNIQUE (provider_type, external_id)
);
CREATE TABLE user_emails (
    id serial PRIMARY KEY,
    user_uuid uuid NOT NULL REFERENCES users (uuid) ON DELETE CASCADE,
    email varchar NOT NULL,
    email_type varchar NOT NULL,
    is_primary boolean NOT NULL,
    is_verified boolean NOT NULL,
    source varchar,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    UNIQUE (email)
);
CREATE TABLE user_groups (
    user_uuid uuid NOT NULL REFERENCES users (uuid) ON DELETE CASCADE,
    group_id integer NOT NULL REFERENCES groups ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    PRIMARY KEY (user_uuid, group_id)
);
CREATE TABLE user_preferences (
    user_uuid uuid PRIMARY KEY REFERENCES users (uuid) ON DELETE CASCADE,
    theme varchar,
    signature text,
    dashboard_layout jsonb,
    locale text,
    timezone text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE user_recovery_codes (
    id bigserial PRIMARY KEY,
    user_uuid uuid NOT NULL REFERENCES users (uuid) ON DELETE CASCADE,
    code_hash text NOT NULL,
    used_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE webhooks (
    id serial PRIMARY KEY,
    uuid uuid NOT NULL DEFAULT gen_random_uuid(),
    name varchar NOT NULL,
    url text NOT NULL,
    secret varchar NOT NULL,
    events text[] NOT NULL,
    enabled boolean NOT NULL,
    headers jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    last_triggered_at timestamptz,
    failure_count integer NOT NULL,
    disabled_reason text,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    UNIQUE (uuid)
);
CREATE TABLE workflow_states (
    id serial PRIMARY KEY,
    name varchar NOT NULL,
    category workflow_state_category NOT NULL,
    color varchar NOT NULL,
    position integer NOT NULL,
    is_default boolean NOT NULL,
    archived_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    pauses_sla boolean NOT NULL
);
CREATE TABLE working_calendars (
    id serial PRIMARY KEY,
    name varchar NOT NULL,
    timezone varchar NOT NULL,
    schedule jsonb NOT NULL,
    is_default boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces
);
CREATE TABLE workspace_members (
    workspace_id integer NOT NULL REFERENCES workspaces,
    user_uuid uuid NOT NULL REFERENCES users (uuid) ON DELETE CASCADE,
    role varchar NOT NULL,
    invited_at timestamptz NOT NULL,
    accepted_at timestamptz,
    PRIMARY KEY (workspace_id, user_uuid)
);
CREATE TABLE asset_audits (
    id bigserial PRIMARY KEY,
    asset_id integer NOT NULL REFERENCES assets ON DELETE CASCADE,
    counted_quantity numeric(12,3) NOT NULL,
    previous_quantity numeric(12,3) NOT NULL,
    delta numeric(12,3) NOT NULL,
    notes text,
    recorded_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    recorded_at timestamptz NOT NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces
);
CREATE TABLE asset_groups (
    asset_id integer NOT NULL REFERENCES assets ON DELETE CASCADE,
    group_id integer NOT NULL REFERENCES groups ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    external_source varchar,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    PRIMARY KEY (asset_id, group_id)
);
CREATE TABLE asset_media (
    id serial PRIMARY KEY,
    asset_id integer NOT NULL REFERENCES assets ON DELETE CASCADE,
    url varchar NOT NULL,
    name varchar NOT NULL,
    file_size bigint,
    mime_type varchar,
    checksum varchar,
    kind varchar NOT NULL,
    sort_order integer NOT NULL,
    caption text,
    uploaded_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces
);
CREATE TABLE assignment_rules (
    id serial PRIMARY KEY,
    uuid uuid NOT NULL DEFAULT gen_random_uuid(),
    name varchar NOT NULL,
    description text,
    priority integer NOT NULL,
    is_active boolean NOT NULL,
    method assignment_method NOT NULL,
    target_user_uuid uuid REFERENCES users (uuid) ON DELETE SET NULL,
    target_group_id integer REFERENCES groups ON DELETE SET NULL,
    trigger_on_create boolean NOT NULL,
    trigger_on_category_change boolean NOT NULL,
    category_id integer REFERENCES ticket_categories ON DELETE SET NULL,
    conditions jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    UNIQUE (uuid)
);
CREATE TABLE category_group_visibility (
    category_id integer NOT NULL REFERENCES ticket_categories ON DELETE CASCADE,
    group_id integer NOT NULL REFERENCES groups ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    PRIMARY KEY (category_id, group_id)
);
CREATE TABLE channel_credentials (
    id serial PRIMARY KEY,
    channel_id integer NOT NULL REFERENCES channels ON DELETE CASCADE,
    credential_type varchar NOT NULL,
    expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    encrypted_value bytea NOT NULL,
    encrypted_kek_id smallint NOT NULL,
    UNIQUE (channel_id, credential_type)
);
CREATE TABLE cycles (
    id serial PRIMARY KEY,
    uuid uuid NOT NULL DEFAULT gen_random_uuid(),
    project_id integer NOT NULL REFERENCES projects ON DELETE CASCADE,
    name varchar NOT NULL,
    start_at timestamptz,
    end_at timestamptz,
    state varchar NOT NULL,
    completion_snapshot jsonb,
    completed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    archived_at timestamptz,
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    UNIQUE (uuid)
);
CREATE TABLE documentation_collection_pages (
    collection_id integer NOT NULL REFERENCES documentation_collections ON DELETE CASCADE,
    page_id integer NOT NULL REFERENCES documentation_pages ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    PRIMARY KEY (collection_id, page_id),
    UNIQUE (page_id)
);
CREATE TABLE documentation_collection_visibility (
    collection_id integer NOT NULL REFERENCES documentation_collections ON DELETE CASCADE,
    group_id integer REFERENCES groups ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    id serial PRIMARY KEY,
    user_uuid uuid REFERENCES users (uuid) ON DELETE CASCADE,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces
);
CREATE TABLE documentation_page_embeddings (
    source_page_id integer NOT NULL REFERENCES documentation_pages ON DELETE CASCADE,
    target_page_id integer NOT NULL REFERENCES documentation_pages ON DELETE CASCADE,
    created_at timestamp NOT NULL DEFAULT now(),
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    PRIMARY KEY (source_page_id, target_page_id)
);
CREATE TABLE documentation_page_visibility (
    page_id integer NOT NULL REFERENCES documentation_pages ON DELETE CASCADE,
    group_id integer REFERENCES groups ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    id serial PRIMARY KEY,
    user_uuid uuid REFERENCES users (uuid) ON DELETE CASCADE,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces
);
CREATE TABLE group_includes (
    parent_group_id integer NOT NULL REFERENCES groups ON DELETE CASCADE,
    child_group_id integer NOT NULL REFERENCES groups ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    PRIMARY KEY (parent_group_id, child_group_id)
);
CREATE TABLE knowledge_gap_signals (
    id bigserial PRIMARY KEY,
    gap_id bigint NOT NULL REFERENCES knowledge_gaps ON DELETE CASCADE,
    signal_type varchar NOT NULL,
    source_kind varchar NOT NULL,
    source_ref text NOT NULL,
    payload jsonb NOT NULL,
    confidence integer NOT NULL,
    detected_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    detected_at timestamptz NOT NULL,
    dismissed_at timestamptz,
    dismissed_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces
);
CREATE TABLE plugin_activity (
    id serial PRIMARY KEY,
    uuid uuid NOT NULL DEFAULT gen_random_uuid(),
    plugin_id integer NOT NULL REFERENCES plugins ON DELETE CASCADE,
    action varchar NOT NULL,
    details jsonb,
    user_uuid uuid REFERENCES users (uuid) ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces
);
CREATE TABLE plugin_collection_schemas (
    id serial PRIMARY KEY,
    uuid uuid NOT NULL DEFAULT gen_random_uuid(),
    plugin_id integer NOT NULL REFERENCES plugins ON DELETE CASCADE,
    collection_name varchar NOT NULL,
    schema jsonb NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    UNIQUE (plugin_id, collection_name)
);
CREATE TABLE plugin_data (
    id serial PRIMARY KEY,
    uuid uuid NOT NULL DEFAULT gen_random_uuid(),
    plugin_id integer NOT NULL REFERENCES plugins ON DELETE CASCADE,
    data_type varchar NOT NULL,
    key varchar NOT NULL,
    value jsonb,
    is_secret boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    UNIQUE (plugin_id, data_type, key)
);
CREATE TABLE rule_versions (
    id serial PRIMARY KEY,
    rule_id integer NOT NULL REFERENCES rules ON DELETE CASCADE,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    version integer NOT NULL,
    name varchar NOT NULL,
    description text,
    trigger_kind rule_trigger_kind NOT NULL,
    trigger_config jsonb NOT NULL,
    conditions jsonb NOT NULL,
    actions jsonb NOT NULL,
    state rule_state NOT NULL,
    priority integer NOT NULL,
    saved_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    saved_at timestamptz NOT NULL,
    UNIQUE (rule_id, version)
);
CREATE TABLE sla_policies (
    id serial PRIMARY KEY,
    name varchar NOT NULL,
    target_response_minutes integer,
    target_resolution_minutes integer,
    working_calendar_id integer REFERENCES working_calendars ON DELETE SET NULL,
    priority_filter varchar,
    category_id_filter integer REFERENCES ticket_categories ON DELETE SET NULL,
    is_default boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    assignee_group_id_filter integer REFERENCES groups ON DELETE SET NULL
);
CREATE TABLE tickets (
    id serial PRIMARY KEY,
    title varchar NOT NULL,
    priority ticket_priority NOT NULL,
    requester_uuid uuid REFERENCES users (uuid) ON DELETE RESTRICT,
    assignee_uuid uuid REFERENCES users (uuid) ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    closed_at timestamptz,
    closed_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    category_id integer REFERENCES ticket_categories ON DELETE SET NULL,
    submitted_via varchar,
    guest_lookup_token uuid,
    verification_state varchar,
    origin_channel_id integer REFERENCES channels ON DELETE SET NULL,
    workflow_state_id integer NOT NULL REFERENCES workflow_states,
    triage_state varchar,
    due_date timestamptz,
    recurrence_rule text,
    recurrence_template_id integer REFERENCES tickets ON DELETE SET NULL,
    resolution_notes text,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    first_response_at timestamptz,
    sla_response_target_at timestamptz,
    sla_response_breached_at timestamptz,
    sla_resolution_target_at timestamptz,
    sla_resolution_breached_at timestamptz,
    merged_into_ticket_id integer REFERENCES tickets ON DELETE SET NULL,
    merged_at timestamptz,
    merged_by_user_uuid uuid REFERENCES users (uuid) ON DELETE SET NULL,
    merge_reason text,
    uuid uuid NOT NULL DEFAULT gen_random_uuid(),
    UNIQUE (uuid),
    UNIQUE (guest_lookup_token),
    CHECK (num_nonnulls(merged_into_ticket_id, merged_at, merged_by_user_uuid) IN (0, 3))
);
CREATE TABLE user_ticket_views (
    id serial PRIMARY KEY,
    user_uuid uuid NOT NULL REFERENCES users (uuid) ON DELETE CASCADE,
    ticket_id integer NOT NULL REFERENCES tickets ON DELETE CASCADE,
    first_viewed_at timestamptz NOT NULL,
    last_viewed_at timestamptz NOT NULL,
    view_count integer NOT NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    UNIQUE (user_uuid, ticket_id)
);
CREATE TABLE webhook_deliveries (
    id serial PRIMARY KEY,
    uuid uuid NOT NULL DEFAULT gen_random_uuid(),
    webhook_id integer NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    event_type varchar NOT NULL,
    payload jsonb NOT NULL,
    request_headers jsonb,
    response_status integer,
    response_body text,
    response_headers jsonb,
    attempt_number integer NOT NULL,
    duration_ms integer,
    error_message text,
    delivered_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    next_retry_at timestamptz,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    UNIQUE (uuid)
);
CREATE TABLE working_calendar_holidays (
    id serial PRIMARY KEY,
    calendar_id integer NOT NULL REFERENCES working_calendars ON DELETE CASCADE,
    date date NOT NULL,
    label varchar,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    recurrence varchar NOT NULL,
    UNIQUE (calendar_id, date)
);
CREATE TABLE article_contents (
    id serial PRIMARY KEY,
    ticket_id integer REFERENCES tickets ON DELETE CASCADE,
    current_revision_number integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    updated_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    yjs_state_vector bytea,
    yjs_document bytea,
    yjs_client_id bigint,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    fence_token bigint
);
CREATE TABLE asset_lifecycle_events (
    id serial PRIMARY KEY,
    asset_id integer NOT NULL REFERENCES assets ON DELETE CASCADE,
    from_status varchar,
    to_status varchar NOT NULL,
    reason text,
    ticket_id integer REFERENCES tickets ON DELETE SET NULL,
    metadata jsonb NOT NULL,
    actor_uuid uuid REFERENCES users (uuid) ON DELETE SET NULL,
    occurred_at timestamptz NOT NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces
);
CREATE TABLE asset_usage_log (
    id bigserial PRIMARY KEY,
    asset_id integer NOT NULL REFERENCES assets ON DELETE CASCADE,
    ticket_id integer REFERENCES tickets ON DELETE SET NULL,
    quantity_used numeric(12,3) NOT NULL,
    unit varchar NOT NULL,
    recorded_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    recorded_at timestamptz NOT NULL,
    notes text,
    event_kind varchar NOT NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces
);
CREATE TABLE assignment_log (
    id serial PRIMARY KEY,
    ticket_id integer NOT NULL REFERENCES tickets ON DELETE CASCADE,
    rule_id integer REFERENCES assignment_rules ON DELETE SET NULL,
    trigger_type varchar NOT NULL,
    previous_assignee_uuid uuid,
    new_assignee_uuid uuid,
    method assignment_method NOT NULL,
    context jsonb,
    assigned_at timestamptz NOT NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces
);
CREATE TABLE assignment_rule_state (
    rule_id integer PRIMARY KEY REFERENCES assignment_rules ON DELETE CASCADE,
    last_assigned_index integer NOT NULL,
    total_assignments integer NOT NULL,
    last_assigned_at timestamptz,
    last_assigned_user_uuid uuid REFERENCES users (uuid) ON DELETE SET NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces
);
CREATE TABLE canned_response_insertions (
    id bigserial PRIMARY KEY,
    canned_response_id integer NOT NULL REFERENCES canned_responses ON DELETE CASCADE,
    user_uuid uuid REFERENCES users (uuid) ON DELETE SET NULL,
    ticket_id integer REFERENCES tickets ON DELETE SET NULL,
    inserted_at timestamptz NOT NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces
);
CREATE TABLE comments (
    id serial PRIMARY KEY,
    content text NOT NULL,
    ticket_id integer NOT NULL REFERENCES tickets ON DELETE CASCADE,
    user_uuid uuid NOT NULL REFERENCES users (uuid) ON DELETE RESTRICT,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    is_edited boolean NOT NULL,
    edit_count integer NOT NULL,
    channel_metadata jsonb,
    is_internal boolean NOT NULL,
    deleted_at timestamptz,
    content_format varchar NOT NULL,
    body_text text,
    body_html text,
    new_content text,
    quoted_content text,
    raw_source_uri text,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    render_kind varchar
);
CREATE TABLE cycle_tickets (
    cycle_id integer NOT NULL REFERENCES cycles ON DELETE CASCADE,
    ticket_id integer NOT NULL REFERENCES tickets ON DELETE CASCADE,
    added_at timestamptz NOT NULL,
    added_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    PRIMARY KEY (cycle_id, ticket_id),
    UNIQUE (ticket_id)
);
CREATE TABLE documentation_page_tickets (
    page_id integer NOT NULL REFERENCES documentation_pages ON DELETE CASCADE,
    ticket_id integer NOT NULL REFERENCES tickets ON DELETE CASCADE,
    link_type varchar NOT NULL,
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    PRIMARY KEY (page_id, ticket_id)
);
CREATE TABLE linked_tickets (
    ticket_id integer NOT NULL REFERENCES tickets ON DELETE CASCADE,
    linked_ticket_id integer NOT NULL REFERENCES tickets ON DELETE CASCADE,
    relation_type varchar NOT NULL,
    description text,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    PRIMARY KEY (ticket_id, linked_ticket_id)
);
CREATE TABLE outbound_emails (
    id bigserial PRIMARY KEY,
    channel_id integer REFERENCES channels,
    ticket_id integer REFERENCES tickets ON DELETE SET NULL,
    comment_id integer REFERENCES comments ON DELETE SET NULL,
    recipient text NOT NULL,
    subject text NOT NULL,
    body_text text NOT NULL,
    body_html text,
    message_id text NOT NULL,
    in_reply_to text,
    references_list text[] NOT NULL,
    headers_json jsonb NOT NULL,
    status text NOT NULL,
    attempts integer NOT NULL,
    last_error text,
    last_smtp_code integer,
    next_attempt_at timestamptz NOT NULL,
    lease_token uuid,
    lease_expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz,
    failed_at timestamptz,
    correlation_id uuid,
    bounced_at timestamptz,
    bounce_recipient text,
    bounce_diagnostic text,
    idempotency_key text,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces
);
CREATE TABLE plugin_collection_rows (
    id serial PRIMARY KEY,
    uuid uuid NOT NULL DEFAULT gen_random_uuid(),
    plugin_id integer NOT NULL REFERENCES plugins ON DELETE CASCADE,
    schema_id integer NOT NULL REFERENCES plugin_collection_schemas ON DELETE CASCADE,
    data jsonb NOT NULL,
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    UNIQUE (uuid)
);
CREATE TABLE project_tickets (
    project_id integer NOT NULL REFERENCES projects ON DELETE CASCADE,
    ticket_id integer NOT NULL REFERENCES tickets ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    display_order integer NOT NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    PRIMARY KEY (project_id, ticket_id)
);
CREATE TABLE rule_applications (
    id bigserial PRIMARY KEY,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    rule_id integer NOT NULL REFERENCES rules ON DELETE CASCADE,
    rule_version integer NOT NULL,
    ticket_id integer NOT NULL REFERENCES tickets ON DELETE CASCADE,
    status rule_application_status NOT NULL,
    correlation_id uuid,
    actor_uuid uuid REFERENCES users (uuid) ON DELETE SET NULL,
    actor_kind varchar NOT NULL,
    originating_event_id uuid,
    originating_event_kind varchar,
    condition_evaluation jsonb,
    actions_taken jsonb,
    actions_skipped jsonb,
    failure_reason text,
    applied_at timestamptz NOT NULL
);
CREATE TABLE ticket_assets (
    ticket_id integer NOT NULL REFERENCES tickets ON DELETE CASCADE,
    asset_id integer NOT NULL REFERENCES assets ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    PRIMARY KEY (ticket_id, asset_id)
);
CREATE TABLE ticket_tags (
    ticket_id integer NOT NULL REFERENCES tickets ON DELETE CASCADE,
    tag_id integer NOT NULL REFERENCES tags ON DELETE CASCADE,
    created_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    PRIMARY KEY (ticket_id, tag_id)
);
CREATE TABLE ticket_watchers (
    ticket_id integer NOT NULL REFERENCES tickets ON DELETE CASCADE,
    user_uuid uuid NOT NULL REFERENCES users (uuid) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    auto_added boolean NOT NULL,
    notify_on_internal_notes boolean NOT NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    PRIMARY KEY (ticket_id, user_uuid)
);
CREATE TABLE article_content_revisions (
    id serial PRIMARY KEY,
    article_content_id integer NOT NULL REFERENCES article_contents ON DELETE CASCADE,
    revision_number integer NOT NULL,
    yjs_state_vector bytea NOT NULL,
    yjs_document_content bytea NOT NULL,
    contributed_by uuid[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    UNIQUE (article_content_id, revision_number)
);
CREATE TABLE attachments (
    id serial PRIMARY KEY,
    url varchar NOT NULL,
    name varchar NOT NULL,
    file_size bigint,
    mime_type varchar,
    checksum varchar,
    comment_id integer REFERENCES comments ON DELETE CASCADE,
    uploaded_by uuid REFERENCES users (uuid) ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    transcription text,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces
);
CREATE TABLE channel_messages (
    id bigserial PRIMARY KEY,
    channel_id integer NOT NULL REFERENCES channels ON DELETE CASCADE,
    external_id varchar NOT NULL,
    direction varchar NOT NULL,
    ticket_id integer REFERENCES tickets ON DELETE SET NULL,
    comment_id integer REFERENCES comments ON DELETE SET NULL,
    in_reply_to varchar,
    from_address varchar,
    author_user_uuid uuid REFERENCES users (uuid) ON DELETE SET NULL,
    raw_metadata jsonb,
    received_at timestamptz NOT NULL,
    workspace_id integer NOT NULL DEFAULT COALESCE(NULLIF(current_setting('app.workspace_id', true), ''), '1')::integer REFERENCES workspaces,
    UNIQUE (channel_id, external_id, direction)
);
