// The layer over SQLite: values in and out, transactions, several writers, schema steps.
#include "store/database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/store/temporary_folder.h"

namespace panal::store {
namespace {

using test::TemporaryFolder;
using test::write_plain;
using ::testing::HasSubstr;

std::int64_t count_of(Database& database, std::string_view sql) {
  Statement statement = database.query(sql).value();
  EXPECT_TRUE(statement.step().value());
  return statement.integer(0);
}

class DatabaseTest : public ::testing::Test {
 protected:
  TemporaryFolder folder;
  Database database = Database::open(folder / "test.db").value();
};

TEST_F(DatabaseTest, GivesBackEveryKindOfValue) {
  ASSERT_TRUE(database.execute("CREATE TABLE t (a, b, c, d, e, f)").ok());
  const std::string text("nul \0 inside, ñ", 16);
  ASSERT_TRUE(database
                  .run("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)", std::int64_t{1} << 62, 0.1, text,
                       true, std::optional<double>(), std::string_view())
                  .ok());
  Statement row = database.query("SELECT * FROM t").value();
  ASSERT_TRUE(row.step().value());
  EXPECT_EQ(row.integer(0), std::int64_t{1} << 62);
  EXPECT_EQ(row.number(1), 0.1);
  EXPECT_EQ(row.text(2), text);
  EXPECT_EQ(row.integer(3), 1);
  EXPECT_TRUE(row.is_null(4));
  EXPECT_FALSE(row.is_null(5));
  EXPECT_EQ(row.text(5), "");
  EXPECT_FALSE(row.step().value());
}

TEST_F(DatabaseTest, SurvivesPowerCutsByItsSettings) {
  EXPECT_EQ(count_of(database, "PRAGMA synchronous"), 2);  // FULL
  EXPECT_EQ(count_of(database, "PRAGMA foreign_keys"), 1);
  Statement mode = database.query("PRAGMA journal_mode").value();
  ASSERT_TRUE(mode.step().value());
  EXPECT_EQ(mode.text(0), "wal");
}

TEST_F(DatabaseTest, RefusesAWrongNumberOfValues) {
  EXPECT_EQ(database.run("SELECT ?, ?", 1).code(), Code::kInvalidArgument);
  EXPECT_EQ(database.run("SELECT nothing FROM nowhere").code(), Code::kInternal);
}

TEST_F(DatabaseTest, RollsBackUnlessCommitted) {
  ASSERT_TRUE(database.execute("CREATE TABLE t (a)").ok());
  {
    const Transaction transaction = Transaction::begin(database).value();
    ASSERT_TRUE(database.run("INSERT INTO t VALUES (1)").ok());
  }
  EXPECT_EQ(count_of(database, "SELECT count(*) FROM t"), 0);
  Transaction transaction = Transaction::begin(database).value();
  ASSERT_TRUE(database.run("INSERT INTO t VALUES (1)").ok());
  ASSERT_TRUE(transaction.commit().ok());
  EXPECT_EQ(count_of(database, "SELECT count(*) FROM t"), 1);
}

TEST_F(DatabaseTest, ReportsABrokenConstraintAsAConflict) {
  ASSERT_TRUE(database
                  .execute("CREATE TABLE p (id INTEGER PRIMARY KEY); "
                           "CREATE TABLE c (p INTEGER REFERENCES p (id));")
                  .ok());
  EXPECT_EQ(database.run("INSERT INTO c VALUES (7)").code(), Code::kConflict);
}

TEST_F(DatabaseTest, ReadsOneMomentInsideASnapshot) {
  ASSERT_TRUE(database.execute("CREATE TABLE t (a)").ok());
  Database other = Database::open(folder / "test.db").value();
  {
    const ReadSnapshot snapshot = ReadSnapshot::begin(database).value();
    EXPECT_EQ(count_of(database, "SELECT count(*) FROM t"), 0);
    ASSERT_TRUE(other.run("INSERT INTO t VALUES (1)").ok());
    EXPECT_EQ(count_of(database, "SELECT count(*) FROM t"), 0);
  }
  EXPECT_EQ(count_of(database, "SELECT count(*) FROM t"), 1);
}

TEST_F(DatabaseTest, TellsWhenAnotherKeepsItLockedForTooLong) {
  const Transaction transaction = Transaction::begin(database).value();
  Database other =
      Database::open(folder / "test.db", {.busy_timeout = std::chrono::milliseconds(1)}).value();
  const auto refused = Transaction::begin(other);
  EXPECT_EQ(refused.code(), Code::kUnavailable);
  EXPECT_THAT(refused.status().message(), HasSubstr("another process keeps it locked"));
}

TEST(Database, LosesNoUpdateOfWritersThatStartTogether) {
  const TemporaryFolder folder;
  static constexpr std::string_view kSchema[] = {"CREATE TABLE counter (value INTEGER)",
                                                 "INSERT INTO counter VALUES (0)"};
  constexpr int kThreads = 4;
  constexpr int kRounds = 15;
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&] {
        Database mine = Database::open(folder / "test.db").value();
        EXPECT_TRUE(migrate(mine, kSchema).ok());
        for (int round = 0; round < kRounds; ++round) {
          Transaction transaction = Transaction::begin(mine).value();
          const std::int64_t value = count_of(mine, "SELECT value FROM counter");
          EXPECT_TRUE(mine.run("UPDATE counter SET value = ?", value + 1).ok());
          EXPECT_TRUE(transaction.commit().ok());
        }
      });
    }
  }
  Database database = Database::open(folder / "test.db").value();
  EXPECT_EQ(count_of(database, "SELECT value FROM counter"), kThreads * kRounds);
  EXPECT_EQ(count_of(database, "SELECT count(*) FROM counter"), 1);  // Each migration ran once.
}

TEST_F(DatabaseTest, MigratesStepByStepAndOnlyOnce) {
  const std::string_view first[] = {"CREATE TABLE t (a)"};
  ASSERT_TRUE(migrate(database, first).ok());
  ASSERT_TRUE(database.run("INSERT INTO t VALUES (1)").ok());
  const std::string_view both[] = {first[0], "ALTER TABLE t ADD COLUMN b DEFAULT 5"};
  ASSERT_TRUE(migrate(database, both).ok());
  ASSERT_TRUE(migrate(database, both).ok());
  EXPECT_EQ(count_of(database, "SELECT b FROM t WHERE a = 1"), 5);
  EXPECT_EQ(count_of(database, "PRAGMA user_version"), 2);
}

TEST_F(DatabaseTest, UndoesAMigrationThatFailsHalfWay) {
  const std::string_view steps[] = {"CREATE TABLE t (a)",
                                    "ALTER TABLE t ADD COLUMN b; SELECT nonsense"};
  const Status status = migrate(database, steps);
  EXPECT_THAT(status.message(), HasSubstr("to format 2"));
  EXPECT_EQ(count_of(database, "PRAGMA user_version"), 1);
  EXPECT_FALSE(database.run("SELECT b FROM t").ok());
}

TEST_F(DatabaseTest, RefusesAFileOfANewerProgramAndLeavesItAlone) {
  ASSERT_TRUE(database.execute("PRAGMA user_version = 9").ok());
  const std::string_view steps[] = {"CREATE TABLE t (a)"};
  const Status status = migrate(database, steps);
  EXPECT_EQ(status.code(), Code::kUnsupported);
  EXPECT_THAT(status.message(), HasSubstr("its format is 9, this program knows up to 1"));
  EXPECT_FALSE(database.run("SELECT * FROM t").ok());
}

TEST(Database, RefusesAFileThatIsNoDatabase) {
  const TemporaryFolder folder;
  const auto path = write_plain(folder / "text.db", std::string(5000, 'x'));
  const auto opened = Database::open(path);
  EXPECT_EQ(opened.code(), Code::kCorrupt);
  EXPECT_THAT(opened.status().message(), HasSubstr("text.db"));
  EXPECT_EQ(test::read_plain(path), std::string(5000, 'x'));
  EXPECT_EQ(Database::open(folder / "missing/x.db").code(), Code::kUnavailable);
}

// As in a folder where nothing can be made: not even SQLite's own files beside the database.
TEST(Database, ReadsWhatItMayNotWriteAndMakesNothingBesideIt) {
  const TemporaryFolder folder;
  const auto path = folder / "a b%#?.db";
  {
    Database writer = Database::open(path).value();
    ASSERT_TRUE(writer.execute("CREATE TABLE t(x); INSERT INTO t VALUES (7)").ok());
  }
  const std::size_t before = test::num_entries(folder.path());
  Database reader = Database::open(path, {.is_read_only = true}).value();
  Statement rows = reader.query("SELECT x FROM t").value();
  ASSERT_TRUE(rows.step().value());
  EXPECT_EQ(rows.integer(0), 7);
  const Status refused = reader.execute("INSERT INTO t VALUES (8)");
  EXPECT_EQ(refused.code(), Code::kUnavailable);
  EXPECT_THAT(refused.message(), HasSubstr("cannot be written"));
  EXPECT_EQ(test::num_entries(folder.path()), before);
  EXPECT_FALSE(Database::open(folder / "missing.db", {.is_read_only = true}).ok());
}

TEST(Database, SeesWhatAWriterHasCommittedWhenItMayOnlyRead) {
  const TemporaryFolder folder;
  const auto path = folder / "a.db";
  Database writer = Database::open(path).value();
  ASSERT_TRUE(writer.execute("CREATE TABLE t(x); INSERT INTO t VALUES (7)").ok());
  Database reader = Database::open(path, {.is_read_only = true}).value();
  ASSERT_TRUE(writer.execute("INSERT INTO t VALUES (8)").ok());
  Statement rows = reader.query("SELECT count(*) FROM t").value();
  ASSERT_TRUE(rows.step().value());
  EXPECT_EQ(rows.integer(0), 2);
}

}  // namespace
}  // namespace panal::store
