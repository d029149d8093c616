// A thin layer over SQLite's C API: handles that close themselves, errors as Status, transactions
// that roll back unless committed. No general SQL layer (SOCI) yet: there is only SQLite today.
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "base/timing.h"

struct sqlite3;
struct sqlite3_stmt;

namespace panal::store {

class Database;

/// A prepared statement: bind, then step through the rows. It must not outlive its Database.
class Statement {
 public:
  /// Takes ownership; Database::prepare() makes them.
  explicit Statement(sqlite3_stmt* handle) : handle_(handle) {}
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) = delete;
  ~Statement();

  /// Sets all parameters from the first one on and starts over. Takes integers, double, bool, text
  /// (copied) and std::optional of these (empty is NULL). Errors: kInvalidArgument when the count
  /// is wrong.
  template <typename... Values>
  Status bind(const Values&... values) {
    PANAL_TRY(start_over(sizeof...(values)));
    int parameter = 0;
    Status status;
    ((status = status.ok() ? bind_one(++parameter, values) : status), ...);
    return status;
  }

  /// True when there is a row to read, false at the end.
  Result<bool> step();
  /// For statements without rows: steps to the end.
  Status run();

  // Columns of the current row, from 0. NULL reads as 0, "" or false.
  std::int64_t integer(int column) const;
  double number(int column) const;
  std::string text(int column) const;
  bool is_null(int column) const;

 private:
  Status start_over(std::size_t num_values);
  Status bind_integer(int parameter, std::int64_t value);
  Status bind_number(int parameter, double value);
  Status bind_text(int parameter, std::string_view value);
  Status bind_null(int parameter);
  Status bind_one(int parameter, std::integral auto value) {
    return bind_integer(parameter, static_cast<std::int64_t>(value));
  }
  Status bind_one(int parameter, double value) { return bind_number(parameter, value); }
  Status bind_one(int parameter, std::string_view value) { return bind_text(parameter, value); }
  Status bind_one(int parameter, std::nullopt_t) { return bind_null(parameter); }
  template <typename T>
  Status bind_one(int parameter, const std::optional<T>& value) {
    return value ? bind_one(parameter, *value) : bind_null(parameter);
  }

  sqlite3_stmt* handle_;
};

struct DatabaseOptions {
  /// For a file, or a folder, that this user cannot write: nothing is made or changed there. What
  /// others write meanwhile may not be seen.
  bool is_read_only = false;
  std::chrono::milliseconds busy_timeout{
      10'000};        // How long to wait for another process's transaction.
  std::string vfs{};  // SQLite's VFS by name; "" is its own.
};

/// One connection. One thread at a time; not to be carried over fork(). Several processes may open
/// the same file. Opened with WAL, synchronous=FULL (a committed transaction survives a power cut)
/// and foreign keys.
///
/// Writing to a file that cannot be written is kUnavailable and says so.
/// Errors: kCorrupt (damaged, or no SQLite file), kUnavailable (busy for longer than the timeout;
/// cannot be opened or read), kResourceExhausted (no space), kConflict (a constraint), kInternal
/// (wrong SQL).
class Database {
 public:
  /// The clock measures how long a busy file is waited for while it is opened.
  static Result<Database> open(const std::filesystem::path& path,
                               const DatabaseOptions& options = {}, Clock& clock = system_clock());
  Database(Database&&) noexcept = default;
  Database& operator=(Database&&) noexcept = default;

  /// One or more statements without parameters and rows.
  Status execute(std::string_view sql);
  Result<Statement> prepare(std::string_view sql);
  /// Prepares, binds and runs a statement without rows.
  template <typename... Values>
  Status run(std::string_view sql, const Values&... values) {
    PANAL_ASSIGN(Statement statement, prepare(sql));
    PANAL_TRY(statement.bind(values...));
    return statement.run();
  }
  /// Prepares and binds a query: then step().
  template <typename... Values>
  Result<Statement> query(std::string_view sql, const Values&... values) {
    PANAL_ASSIGN(Statement statement, prepare(sql));
    PANAL_TRY(statement.bind(values...));
    return statement;
  }
  std::int64_t last_inserted_id() const;
  /// Rows changed by the last statement.
  std::int64_t num_changed() const;
  const std::filesystem::path& path() const { return path_; }

  /// The state of a database's files on disk: as long as it is the same, nobody has committed
  /// anything, unless that happened within the file system's clock step after newest_unix_ms. Costs
  /// two system calls; reads nothing.
  struct Stamp {
    struct File {
      std::uint64_t inode = 0;
      std::uint64_t num_bytes = 0;
      std::int64_t changed_unix_ns = 0;
      bool operator==(const File&) const = default;
    };
    File database{}, log{};
    bool operator==(const Stamp&) const = default;
    std::int64_t newest_unix_ms() const {
      return std::max(database.changed_unix_ns, log.changed_unix_ns) / 1'000'000;
    }
  };
  static Stamp stamp_of(const std::filesystem::path& path);

  /// SQLite's own check of the whole file. Errors: kCorrupt with the first finding. Cost: reads
  /// everything.
  Status check_integrity();

 private:
  struct Close {
    void operator()(sqlite3* handle) const;
  };
  Database(std::unique_ptr<sqlite3, Close> handle, std::filesystem::path path)
      : handle_(std::move(handle)), path_(std::move(path)) {}
  // `name`: the path, or a URI of it where the flags say so.
  static Result<Database> open_handle(const std::filesystem::path& path, const std::string& name,
                                      int flags, const DatabaseOptions& options);
  static Result<Database> open_read_only(const std::filesystem::path& path,
                                         const DatabaseOptions& options);
  Status use_write_ahead_log(std::chrono::milliseconds busy_timeout, Clock& clock);

  std::unique_ptr<sqlite3, Close> handle_;
  std::filesystem::path path_;
};

/// Takes the writer's place at once (BEGIN IMMEDIATE), so that what is read inside stays true until
/// commit(). Rolled back by the destructor. Keep it short: other processes wait meanwhile.
class Transaction {
 public:
  static Result<Transaction> begin(Database& database);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  /// When it returns ok, everything inside survives a power cut. When it fails, nothing inside
  /// happened.
  Status commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;  // Null once committed or moved from.
};

/// What is read until the destructor comes from one moment, whatever other processes write
/// meanwhile. Takes no lock that others notice. Not inside a Transaction, which gives the same.
class ReadSnapshot {
 public:
  static Result<ReadSnapshot> begin(Database& database);
  ReadSnapshot(ReadSnapshot&& other) noexcept
      : database_(std::exchange(other.database_, nullptr)) {}
  ReadSnapshot& operator=(ReadSnapshot&&) = delete;
  ~ReadSnapshot();

 private:
  explicit ReadSnapshot(Database& database) : database_(&database) {}
  Database* database_;  // Null once moved from.
};

/// Brings the file to the newest schema. migrations[i] lifts PRAGMA user_version from i to i + 1,
/// each in its own transaction; safe when several processes start at once. Never edit a migration
/// that was released. Errors: kUnsupported when the file was written by a newer program; nothing is
/// changed then.
Status migrate(Database& database, std::span<const std::string_view> migrations);

}  // namespace panal::store
