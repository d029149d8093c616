#include "store/database.h"

#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "store/detail/descriptor.h"

namespace panal::store {
namespace {

Code code_of(int result) {
  switch (result & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Code::kCorrupt;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_PROTOCOL:
      return Code::kUnavailable;
    case SQLITE_FULL:
    case SQLITE_NOMEM:
    case SQLITE_TOOBIG:
      return Code::kResourceExhausted;
    case SQLITE_CONSTRAINT:
      return Code::kConflict;
    case SQLITE_RANGE:
      return Code::kInvalidArgument;
    default:
      return Code::kInternal;
  }
}

std::string file_of(sqlite3* handle) {
  const char* name = handle == nullptr ? nullptr : sqlite3_db_filename(handle, "main");
  return name == nullptr || *name == '\0' ? "the database" : name;
}

Status error_of(sqlite3* handle, int result) {
  if ((result & 0xff) == SQLITE_BUSY) {
    return Status(
        Code::kUnavailable,
        file_of(handle) + ": busy: another process keeps it locked; try again when it is done");
  }
  if ((result & 0xff) == SQLITE_READONLY) {
    return Status(Code::kUnavailable,
                  fmt::format("{} cannot be written: it, its folder or their disk is read-only for "
                              "this user",
                              file_of(handle)));
  }
  // SQLite calls a full disk an I/O error where it could not even lay out its index of the log.
  if ((result & 0xff) == SQLITE_IOERR && handle != nullptr &&
      sqlite3_system_errno(handle) == ENOSPC) {
    return detail::errno_status(ENOSPC, "write", file_of(handle));
  }
  return Status(code_of(result),
                fmt::format("{}: {}", file_of(handle),
                            handle == nullptr ? sqlite3_errstr(result) : sqlite3_errmsg(handle)));
}

// A path as the file: URI that SQLite reads.
std::string uri_of(const std::filesystem::path& path, std::string_view parameters) {
  std::string uri = "file:";
  for (const char c : path.string()) {
    const bool is_special = c == '%' || c == '?' || c == '#';
    uri += is_special ? fmt::format("%{:02X}", static_cast<unsigned char>(c)) : std::string(1, c);
  }
  return uri + "?" + std::string(parameters);
}

Result<std::int64_t> read_user_version(Database& database) {
  PANAL_ASSIGN(Statement statement, database.query("PRAGMA user_version"));
  PANAL_ASSIGN(const bool has_row, statement.step());
  return has_row ? statement.integer(0) : 0;
}

}  // namespace

Statement::Statement(Statement&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
Statement::~Statement() { sqlite3_finalize(handle_); }

Status Statement::start_over(std::size_t num_values) {
  sqlite3_reset(handle_);
  const auto wanted = static_cast<std::size_t>(sqlite3_bind_parameter_count(handle_));
  if (wanted == num_values) return Status();
  return Status(Code::kInvalidArgument, fmt::format("the statement takes {} values, found {}: {}",
                                                    wanted, num_values, sqlite3_sql(handle_)));
}

Status Statement::bind_integer(int parameter, std::int64_t value) {
  const int result = sqlite3_bind_int64(handle_, parameter, value);
  return result == SQLITE_OK ? Status() : error_of(sqlite3_db_handle(handle_), result);
}

Status Statement::bind_number(int parameter, double value) {
  const int result = sqlite3_bind_double(handle_, parameter, value);
  return result == SQLITE_OK ? Status() : error_of(sqlite3_db_handle(handle_), result);
}

Status Statement::bind_text(int parameter, std::string_view value) {
  // A view without data (a default string_view) would be bound as NULL.
  const char* data = value.data() == nullptr ? "" : value.data();
  const int result =
      sqlite3_bind_text64(handle_, parameter, data, value.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  return result == SQLITE_OK ? Status() : error_of(sqlite3_db_handle(handle_), result);
}

Status Statement::bind_null(int parameter) {
  const int result = sqlite3_bind_null(handle_, parameter);
  return result == SQLITE_OK ? Status() : error_of(sqlite3_db_handle(handle_), result);
}

Result<bool> Statement::step() {
  const int result = sqlite3_step(handle_);
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  return error_of(sqlite3_db_handle(handle_), result);
}

Status Statement::run() {
  for (;;) {
    PANAL_ASSIGN(const bool has_row, step());
    if (!has_row) return Status();
  }
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(handle_, column); }
double Statement::number(int column) const { return sqlite3_column_double(handle_, column); }
bool Statement::is_null(int column) const {
  return sqlite3_column_type(handle_, column) == SQLITE_NULL;
}
std::string Statement::text(int column) const {
  const unsigned char* bytes = sqlite3_column_text(handle_, column);
  if (bytes == nullptr) return "";
  return std::string(reinterpret_cast<const char*>(bytes),
                     static_cast<std::size_t>(sqlite3_column_bytes(handle_, column)));
}

void Database::Close::operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }

Result<Database> Database::open_handle(const std::filesystem::path& path, const std::string& name,
                                       int flags, const DatabaseOptions& options) {
  sqlite3* raw = nullptr;
  const int result = sqlite3_open_v2(name.c_str(), &raw, flags | SQLITE_OPEN_NOMUTEX,
                                     options.vfs.empty() ? nullptr : options.vfs.c_str());
  Database database(std::unique_ptr<sqlite3, Close>(raw), path);
  if (result != SQLITE_OK)
    return error_of(raw, result).with_context("cannot open " + path.string());
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_timeout(raw, static_cast<int>(options.busy_timeout.count()));
  return database;
}

Result<Database> Database::open_read_only(const std::filesystem::path& path,
                                          const DatabaseOptions& options) {
  // Reading beside a log needs a file of locks, which cannot be made here. Without a log there is
  // nothing to lock: whoever could write would make one first.
  std::error_code error;
  const bool has_log = std::filesystem::file_size(path.string() + "-wal", error) > 0 && !error;
  PANAL_ASSIGN(Database database,
               open_handle(path, uri_of(path, has_log ? "mode=ro" : "mode=ro&immutable=1"),
                           SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, options));
  // SQLite opens the file when it is first asked something.
  const Status readable = read_user_version(database).status();
  if (readable.ok()) return database;
  if (!has_log) return readable.with_context("cannot open " + path.string());
  return readable.with_context(
      fmt::format("cannot open {} for reading only, because its log {}-wal was left to be taken in "
                  "by a program that may write",
                  path.string(), path.filename().string()));
}

Result<Database> Database::open(const std::filesystem::path& path, const DatabaseOptions& options,
                                Clock& clock) {
  if (options.is_read_only) return open_read_only(path, options);
  PANAL_ASSIGN(Database database, open_handle(path, path.string(),
                                              SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, options));
  const std::string context = "cannot open " + path.string();
  PANAL_TRY(database.use_write_ahead_log(options.busy_timeout, clock).with_context(context));
  PANAL_TRY(
      database.execute("PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;").with_context(context));
  return database;
}

Status Database::use_write_ahead_log(std::chrono::milliseconds busy_timeout, Clock& clock) {
  // The first change to WAL needs the file alone, and SQLite does not wait for that by itself.
  const Deadline deadline(clock, busy_timeout);
  for (;;) {
    const Status status = run("PRAGMA journal_mode=WAL");
    const bool is_busy = (sqlite3_extended_errcode(handle_.get()) & 0xff) == SQLITE_BUSY;
    if (status.ok() || !is_busy || deadline.is_over()) return status;
    deadline.sleep_for(std::chrono::milliseconds(5));
  }
}

Status Database::execute(std::string_view sql) {
  const int result =
      sqlite3_exec(handle_.get(), std::string(sql).c_str(), nullptr, nullptr, nullptr);
  return result == SQLITE_OK ? Status() : error_of(handle_.get(), result);
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int result = sqlite3_prepare_v2(handle_.get(), sql.data(), static_cast<int>(sql.size()),
                                        &statement, nullptr);
  if (result != SQLITE_OK) return error_of(handle_.get(), result);
  return Statement(statement);
}

std::int64_t Database::last_inserted_id() const { return sqlite3_last_insert_rowid(handle_.get()); }
std::int64_t Database::num_changed() const { return sqlite3_changes64(handle_.get()); }

Database::Stamp Database::stamp_of(const std::filesystem::path& path) {
  const auto file = [](const std::string& name) {
    struct stat found {};
    if (::stat(name.c_str(), &found) != 0) return Stamp::File{};
    return Stamp::File{.inode = static_cast<std::uint64_t>(found.st_ino),
                       .num_bytes = static_cast<std::uint64_t>(found.st_size),
                       .changed_unix_ns = std::int64_t{1'000'000'000} * found.st_mtim.tv_sec +
                                          found.st_mtim.tv_nsec};
  };
  return {.database = file(path.string()), .log = file(path.string() + "-wal")};
}

Status Database::check_integrity() {
  PANAL_ASSIGN(Statement statement, query("PRAGMA integrity_check(1)"));
  PANAL_ASSIGN(const bool has_row, statement.step());
  const std::string found = has_row ? statement.text(0) : "no answer";
  if (found == "ok") return Status();
  return Status(Code::kCorrupt, fmt::format("{} is damaged: {}", path_.string(), found));
}

Result<Transaction> Transaction::begin(Database& database) {
  PANAL_TRY(database.execute("BEGIN IMMEDIATE"));
  return Transaction(database);
}

Transaction::~Transaction() {
  // A failed COMMIT may have rolled back already; the error of a second one says nothing new.
  if (database_ != nullptr) (void)database_->execute("ROLLBACK");
}

Status Transaction::commit() {
  PANAL_TRY(database_->execute("COMMIT"));
  database_ = nullptr;
  return Status();
}

Result<ReadSnapshot> ReadSnapshot::begin(Database& database) {
  PANAL_TRY(database.execute("BEGIN"));
  return ReadSnapshot(database);
}

ReadSnapshot::~ReadSnapshot() {
  // COMMIT and ROLLBACK are the same for a reader; with statements still open only ROLLBACK always
  // ends it.
  if (database_ != nullptr) (void)database_->execute("ROLLBACK");
}

Status migrate(Database& database, std::span<const std::string_view> migrations) {
  const auto newest = static_cast<std::int64_t>(migrations.size());
  for (;;) {
    PANAL_ASSIGN(std::int64_t version, read_user_version(database));
    if (version > newest) {
      return Status(
          Code::kUnsupported,
          fmt::format(
              "{} was written by a newer panal: its format is {}, this program knows up to {}. "
              "Update panal, or use another home (PANAL_HOME).",
              database.path().string(), version, newest));
    }
    if (version == newest) return Status();
    PANAL_ASSIGN(Transaction transaction, Transaction::begin(database));
    // Another process may have been faster while this one waited.
    PANAL_ASSIGN(const std::int64_t current, read_user_version(database));
    if (current != version) continue;
    PANAL_TRY(database.execute(migrations[static_cast<std::size_t>(version)])
                  .with_context(fmt::format("changing the database to format {}", version + 1)));
    PANAL_TRY(database.execute(fmt::format("PRAGMA user_version={}", version + 1)));
    PANAL_TRY(transaction.commit());
  }
}

}  // namespace panal::store
