#include "registry/detail/schema.h"

#include <array>

namespace panal::registry::detail {
namespace {

// What a rule of the catalogue can be said in SQL is said here too, so that no process can break
// it: one preferred version of a name, one default deployment, one kind for a name.
constexpr std::string_view kFormat1 = R"sql(
CREATE TABLE datasets (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  version INTEGER NOT NULL,
  blob TEXT NOT NULL,
  num_documents INTEGER NOT NULL,
  num_bytes INTEGER NOT NULL,
  licence TEXT NOT NULL,
  source TEXT NOT NULL,
  created_unix_ms INTEGER NOT NULL,
  UNIQUE (name, version)
) STRICT;

CREATE TABLE partitionings (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  dataset_id INTEGER NOT NULL REFERENCES datasets (id),
  partitioning_blob TEXT NOT NULL,
  topic_model_blob TEXT NOT NULL,
  created_unix_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX partitionings_of_dataset ON partitionings (dataset_id);

CREATE TABLE partitions (
  partitioning_id INTEGER NOT NULL REFERENCES partitionings (id),
  number INTEGER NOT NULL,
  label TEXT NOT NULL,
  num_documents INTEGER NOT NULL,
  details TEXT NOT NULL,
  PRIMARY KEY (partitioning_id, number)
) STRICT;

CREATE TABLE partition_files (
  partitioning_id INTEGER NOT NULL,
  number INTEGER NOT NULL,
  role TEXT NOT NULL,
  blob TEXT NOT NULL,
  num_bytes INTEGER NOT NULL,
  PRIMARY KEY (partitioning_id, number, role),
  FOREIGN KEY (partitioning_id, number) REFERENCES partitions (partitioning_id, number)
) STRICT;

CREATE TABLE model_names (
  name TEXT PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('base', 'adapter'))
) STRICT;

CREATE TABLE models (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL REFERENCES model_names (name),
  version INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('candidate', 'ready', 'preferred', 'retired')),
  architecture TEXT NOT NULL,
  lineage TEXT NOT NULL,
  created_unix_ms INTEGER NOT NULL,
  UNIQUE (name, version)
) STRICT;
CREATE UNIQUE INDEX one_preferred_version ON models (name) WHERE state = 'preferred';

CREATE TABLE model_files (
  model_id INTEGER NOT NULL REFERENCES models (id),
  name TEXT NOT NULL,
  blob TEXT NOT NULL,
  num_bytes INTEGER NOT NULL,
  PRIMARY KEY (model_id, name)
) STRICT;

CREATE TABLE transitions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  model_id INTEGER NOT NULL REFERENCES models (id),
  from_state TEXT NOT NULL,
  to_state TEXT NOT NULL,
  reason TEXT NOT NULL,
  at_unix_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX transitions_of_model ON transitions (model_id);

CREATE TABLE evaluations (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  model_id INTEGER NOT NULL REFERENCES models (id),
  check_name TEXT NOT NULL,
  metric TEXT NOT NULL,
  value REAL,
  passed INTEGER,
  details TEXT NOT NULL,
  created_unix_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX evaluations_of_model ON evaluations (model_id);

CREATE TABLE deployments (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  core_id INTEGER NOT NULL REFERENCES models (id),
  topic_model_blob TEXT NOT NULL,
  is_default INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  created_unix_ms INTEGER NOT NULL,
  updated_unix_ms INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX one_default_deployment ON deployments (is_default) WHERE is_default = 1;

CREATE TABLE deployment_experts (
  deployment_id INTEGER NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  model_id INTEGER NOT NULL REFERENCES models (id),
  label TEXT NOT NULL,
  partition INTEGER,
  PRIMARY KEY (deployment_id, position)
) STRICT;

CREATE TABLE jobs (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
  created_unix_ms INTEGER NOT NULL,
  started_unix_ms INTEGER,
  ended_unix_ms INTEGER,
  pid INTEGER NOT NULL,
  pid_start_ticks INTEGER NOT NULL,
  spec TEXT NOT NULL,
  result TEXT NOT NULL,
  error TEXT NOT NULL
) STRICT;

-- Everything that keeps a blob alive, and how to name it to people.
CREATE VIEW blob_references (blob, num_bytes, owner) AS
  SELECT blob, num_bytes, 'dataset ' || name || '@' || version FROM datasets
  UNION ALL
  SELECT partitioning_blob, NULL, 'partitioning ' || id FROM partitionings
  UNION ALL
  SELECT topic_model_blob, NULL, 'topic model of partitioning ' || id FROM partitionings
  UNION ALL
  SELECT blob, num_bytes, 'partition ' || number || ' (' || role || ') of partitioning ' || partitioning_id
    FROM partition_files
  UNION ALL
  SELECT f.blob, f.num_bytes, 'model ' || m.name || '@' || m.version || ', file ' || f.name
    FROM model_files f JOIN models m ON m.id = f.model_id
  UNION ALL
  SELECT topic_model_blob, NULL, 'topic model of deployment ' || name FROM deployments
    WHERE topic_model_blob != '';
)sql";

// Version numbers of what was removed, and the folders that jobs share.
constexpr std::string_view kRemovalFormat = R"sql(
CREATE TABLE removed_versions (
  subject TEXT NOT NULL CHECK (subject IN ('model', 'dataset')),
  name TEXT NOT NULL,
  last_version INTEGER NOT NULL,
  PRIMARY KEY (subject, name)
) STRICT;
ALTER TABLE jobs ADD COLUMN folder TEXT NOT NULL DEFAULT '';
)sql";

// Datasets of conversations.
constexpr std::string_view kConversationsFormat = R"sql(
ALTER TABLE datasets ADD COLUMN num_conversations INTEGER NOT NULL DEFAULT 0;
)sql";

constexpr std::array<std::string_view, 3> kMigrations = {kFormat1, kRemovalFormat,
                                                         kConversationsFormat};

}  // namespace

std::span<const std::string_view> catalogue_migrations() { return kMigrations; }

}  // namespace panal::registry::detail
