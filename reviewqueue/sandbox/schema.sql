-- The sandbox's tables. Times are seconds since the epoch, money is whole cents,
-- lists and mappings are JSON text. Read by store.py; every statement may run again.

CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS account (
    id TEXT PRIMARY KEY, email TEXT NOT NULL, display_name TEXT, created_at REAL NOT NULL,
    balance_cents INTEGER NOT NULL DEFAULT 0,
    auto_reload INTEGER NOT NULL DEFAULT 0, reload_threshold_cents INTEGER, reload_amount_cents INTEGER,
    has_card INTEGER NOT NULL DEFAULT 0, welcomed INTEGER NOT NULL DEFAULT 0,
    slots_purchased INTEGER NOT NULL DEFAULT 0, subscription_id TEXT);
CREATE TABLE IF NOT EXISTS signups (user_id TEXT PRIMARY KEY, email TEXT NOT NULL UNIQUE, created_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS tokens (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, hash TEXT NOT NULL UNIQUE, prefix TEXT NOT NULL,
    scopes TEXT NOT NULL, monthly_limit_cents INTEGER, created_at REAL NOT NULL, last_used_at REAL, revoked_at REAL);
CREATE TABLE IF NOT EXISTS windows (caller TEXT PRIMARY KEY, ends_at REAL NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (name TEXT PRIMARY KEY, recipe TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS personas (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, writing_style TEXT, discount_mode INTEGER NOT NULL DEFAULT 0,
    look TEXT NOT NULL, avatar_file TEXT, voice_file TEXT,
    created_at REAL NOT NULL, updated_at REAL NOT NULL, deleted_at REAL);
CREATE TABLE IF NOT EXISTS creators (
    id TEXT PRIMARY KEY, platform TEXT NOT NULL, handle TEXT NOT NULL, stocked INTEGER NOT NULL DEFAULT 0,
    status TEXT NOT NULL DEFAULT 'pending', last_synced_at REAL, UNIQUE (platform, handle));
CREATE TABLE IF NOT EXISTS sources (
    id TEXT PRIMARY KEY, persona_id TEXT NOT NULL, creator_id TEXT NOT NULL, automation_mode TEXT NOT NULL,
    created_at REAL NOT NULL, deleted_at REAL);
CREATE INDEX IF NOT EXISTS sources_of_persona ON sources (persona_id);
CREATE INDEX IF NOT EXISTS sources_of_creator ON sources (creator_id);
CREATE TABLE IF NOT EXISTS sync_jobs (
    id TEXT PRIMARY KEY, persona_id TEXT NOT NULL, creator_id TEXT NOT NULL, outcome TEXT NOT NULL,
    error_message TEXT, new_posts_count INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL, begins_at REAL NOT NULL, ends_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS sync_jobs_of_creator ON sync_jobs (creator_id, created_at);
CREATE TABLE IF NOT EXISTS source_posts (  -- created_at NULL: not pulled yet, the next sync finds it
    id TEXT PRIMARY KEY, creator_id TEXT NOT NULL, platform TEXT NOT NULL, platform_post_id TEXT NOT NULL UNIQUE,
    caption TEXT, short_code TEXT NOT NULL UNIQUE, is_reel INTEGER NOT NULL DEFAULT 0,
    posted_at REAL, created_at REAL);
CREATE INDEX IF NOT EXISTS source_posts_of_creator ON source_posts (creator_id, posted_at);
CREATE TABLE IF NOT EXISTS source_media (
    id TEXT PRIMARY KEY, source_post_id TEXT NOT NULL, position INTEGER NOT NULL, media_type TEXT NOT NULL,
    recipe TEXT NOT NULL, file TEXT NOT NULL, thumb TEXT NOT NULL, duration_seconds REAL);
CREATE INDEX IF NOT EXISTS source_media_of_post ON source_media (source_post_id, position);
CREATE TABLE IF NOT EXISTS cloned (
    persona_id TEXT NOT NULL, source_post_id TEXT NOT NULL, PRIMARY KEY (persona_id, source_post_id)) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS generated_posts (
    id TEXT PRIMARY KEY, persona_id TEXT NOT NULL, source_post_id TEXT NOT NULL, caption TEXT,
    review_status TEXT NOT NULL DEFAULT 'pending_review', outgoing_post_id TEXT,
    round INTEGER NOT NULL DEFAULT 0, automatic TEXT NOT NULL DEFAULT '',
    created_at REAL NOT NULL, updated_at REAL NOT NULL, deleted_at REAL);
CREATE INDEX IF NOT EXISTS generated_posts_of_persona ON generated_posts (persona_id, created_at);
CREATE TABLE IF NOT EXISTS generated_items (
    id TEXT PRIMARY KEY, post_id TEXT NOT NULL, position INTEGER NOT NULL, take INTEGER NOT NULL,
    source_media_id TEXT NOT NULL, media_type TEXT NOT NULL, duration_seconds REAL,
    file TEXT NOT NULL, thumb TEXT NOT NULL, voice_file TEXT,
    discount_applied INTEGER NOT NULL, cost_cents INTEGER NOT NULL,
    is_public INTEGER NOT NULL DEFAULT 0, public_since REAL, review_status TEXT NOT NULL DEFAULT 'pending_review',
    created_at REAL NOT NULL, begins_at REAL NOT NULL, ends_at REAL,  -- ends_at NULL: never
    outcome TEXT NOT NULL, error_message TEXT,
    voice_begins_at REAL, voice_ends_at REAL, deleted_at REAL);
CREATE INDEX IF NOT EXISTS generated_items_of_post ON generated_items (post_id, position);

CREATE TABLE IF NOT EXISTS accounts (
    id TEXT PRIMARY KEY, platform TEXT NOT NULL, username TEXT NOT NULL, status TEXT NOT NULL,
    avatar_file TEXT, connected_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS targets (
    id TEXT PRIMARY KEY, persona_id TEXT NOT NULL, account_id TEXT NOT NULL, created_at REAL NOT NULL, deleted_at REAL);
CREATE INDEX IF NOT EXISTS targets_of_persona ON targets (persona_id);
CREATE TABLE IF NOT EXISTS outgoing_posts (
    id TEXT PRIMARY KEY, persona_id TEXT, generated_post_id TEXT, caption TEXT, state TEXT NOT NULL,
    scheduled_for REAL, platform_settings TEXT NOT NULL,
    created_at REAL NOT NULL, updated_at REAL NOT NULL, deleted_at REAL);
CREATE TABLE IF NOT EXISTS outgoing_items (
    id TEXT PRIMARY KEY, outgoing_post_id TEXT NOT NULL, item_id TEXT NOT NULL, position INTEGER NOT NULL,
    use_voice_converted INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS outgoing_items_of_post ON outgoing_items (outgoing_post_id, position);
CREATE TABLE IF NOT EXISTS deliveries (
    id TEXT PRIMARY KEY, outgoing_post_id TEXT NOT NULL, account_id TEXT NOT NULL,
    begins_at REAL, ends_at REAL, outcome TEXT, error_message TEXT, platform_post_id TEXT);
CREATE INDEX IF NOT EXISTS deliveries_of_post ON deliveries (outgoing_post_id);

CREATE TABLE IF NOT EXISTS transactions (
    id TEXT PRIMARY KEY, amount_cents INTEGER NOT NULL, operation_type TEXT NOT NULL, description TEXT,
    created_at REAL NOT NULL, generated_post_id TEXT, generated_media_item_id TEXT, refund_of_id TEXT, token_id TEXT);
CREATE INDEX IF NOT EXISTS transactions_by_time ON transactions (created_at);
CREATE INDEX IF NOT EXISTS transactions_of_post ON transactions (generated_post_id);
CREATE INDEX IF NOT EXISTS transactions_of_item ON transactions (generated_media_item_id);
CREATE TABLE IF NOT EXISTS visits (  -- pages a person opens in the service's own window
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'open', amount_cents INTEGER, slots INTEGER,
    platform TEXT, return_to TEXT, created_at REAL NOT NULL, settled_at REAL);
CREATE TABLE IF NOT EXISTS tickets (
    id TEXT PRIMARY KEY, subject TEXT, message TEXT NOT NULL, created_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS replies (
    id TEXT PRIMARY KEY, ticket_id TEXT NOT NULL, message TEXT NOT NULL, created_at REAL NOT NULL);

CREATE TABLE IF NOT EXISTS agenda (  -- what happens by itself, and when
    number INTEGER PRIMARY KEY, at REAL NOT NULL, kind TEXT NOT NULL, target TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS agenda_by_time ON agenda (at);
CREATE TABLE IF NOT EXISTS faults (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, pattern TEXT NOT NULL, times INTEGER NOT NULL, seconds REAL NOT NULL);
CREATE TABLE IF NOT EXISTS effects (
    number INTEGER PRIMARY KEY, at REAL NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL, kind TEXT NOT NULL,
    target TEXT NOT NULL, made TEXT, key_prefix TEXT NOT NULL, request_id TEXT NOT NULL);
