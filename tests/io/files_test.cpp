#include "io/files/files.h"

#include <atomic>
#include <chrono>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <optional>
#include <sys/resource.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include "io/files/folder_lock.h"
#include "tests/io/temporary_folder.h"

using namespace duet;
using namespace duet::testing;
namespace fs = std::filesystem;

TEST_CASE("write_file replaces whole files and leaves nothing else") {
  const TemporaryFolder folder;
  write_file(folder / "a.txt", "first");
  CHECK(contents_of(folder / "a.txt") == "first");
  write_file(folder / "a.txt", "");
  CHECK(contents_of(folder / "a.txt").empty());
  const std::string big(3'000'000, 'x');
  write_file(folder / "a.txt", big);
  CHECK(read_file(folder / "a.txt", big.size()) == big);
  CHECK(folder.files() == 1);
}

TEST_CASE("an AtomicFile without commit leaves the earlier file") {
  const TemporaryFolder folder;
  folder.write("a.txt", "old");
  {
    AtomicFile file(folder / "a.txt");
    file.write("new");
    CHECK(contents_of(folder / "a.txt") == "old");
  }
  CHECK(contents_of(folder / "a.txt") == "old");
  CHECK(folder.files() == 1);
}

TEST_CASE("a symbolic link stays one and its file is replaced") {
  const TemporaryFolder folder;
  folder.write("real.txt", "old");
  fs::create_symlink("real.txt", folder / "link.txt");
  write_file(folder / "link.txt", "new");
  CHECK(fs::is_symlink(folder / "link.txt"));
  CHECK(contents_of(folder / "real.txt") == "new");
}

TEST_CASE("files that cannot be written are Error(filesystem) naming them") {
  const TemporaryFolder folder;
  folder.write("file", "");
  fs::create_symlink("/dev/full", folder / "full");
  const fs::path rows[] = {folder / "none/a.txt", folder / "file/a.txt", folder.path(), folder / "full",
                           folder / std::string(300, 'n')};
  for (const fs::path& path : rows) {
    expect_error(caught([&] { write_file(path, "bytes"); }), ExitCode::filesystem, {path.string()});
  }
  struct stat status = {};
  REQUIRE(::stat("/dev/full", &status) == 0);
  CHECK(S_ISCHR(status.st_mode));  // still the device
}

TEST_CASE("a name as long as names can be; a file that is open is written where it stands") {
  const TemporaryFolder folder;
  write_file(folder / std::string(255, 'n'), "bytes");
  CHECK(contents_of(folder / std::string(255, 'n')) == "bytes");

  const int open = ::open((folder / "open").c_str(), O_RDWR | O_CREAT, 0600);
  REQUIRE(open >= 0);
  REQUIRE(::write(open, "before ", 7) == 7);
  write_file(text("/proc/self/fd/", open), "between");
  REQUIRE(::write(open, " after", 6) == 6);
  ::close(open);
  CHECK(contents_of(folder / "open") == "before between after");
  expect_error(caught([&] { write_file("/dev/fd/9999", "bytes"); }), ExitCode::filesystem, {"/dev/fd/9999"});
}

TEST_CASE("append_line ends a line that was cut off, and adds one") {
  const TemporaryFolder folder;
  append_line(folder / "log", "one");
  append_line(folder / "log", "two");
  CHECK(contents_of(folder / "log") == "one\ntwo\n");
  folder.write("log", "one\ntw");
  append_line(folder / "log", "three");
  CHECK(contents_of(folder / "log") == "one\ntw\nthree\n");
  expect_error(caught([&] { append_line(folder.path(), "x"); }), ExitCode::filesystem,
               {folder.path().string()});
  expect_error(caught([&] { append_line("/dev/full", "x"); }), ExitCode::filesystem, {"/dev/full"});
}

TEST_CASE("a file-size limit is an error, not a signal, and the earlier file stays") {
  const TemporaryFolder folder;
  folder.write("a.bin", "old");
  rlimit before = {};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  rlimit limited = before;
  limited.rlim_cur = 4096;
  REQUIRE(setrlimit(RLIMIT_FSIZE, &limited) == 0);
  const Caught found = caught([&] { write_file(folder / "a.bin", std::string(100'000, 'x')); });
  REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
  expect_error(found, ExitCode::filesystem, {(folder / "a.bin").string(), "File too large"});
  CHECK(contents_of(folder / "a.bin") == "old");
  CHECK(folder.files() == 1);
}

TEST_CASE("read_file refuses what is missing, a folder or too long") {
  const TemporaryFolder folder;
  folder.write("a.txt", "12345");
  CHECK(read_file(folder / "a.txt", 5) == "12345");
  expect_error(caught([&] { read_file(folder / "a.txt", 4); }), ExitCode::filesystem,
               {"a.txt", "at most 4 bytes"});
  expect_error(caught([&] { read_file(folder / "none", 9, ExitCode::data); }), ExitCode::data,
               {"none", "No such"});
  expect_error(caught([&] { read_file(folder.path(), 9); }), ExitCode::filesystem, {"found a folder"});
  expect_error(caught([&] { read_file("/dev/zero", 100'000); }), ExitCode::filesystem,
               {"/dev/zero", "found more"});
}

TEST_CASE("a locked folder is another's until the lock goes, and holds nothing of it") {
  const TemporaryFolder folder;
  {
    const FolderLock lock(folder.path());
    const Caught second = caught([&] { FolderLock again(folder.path()); });
    CHECK(second.code == ExitCode::filesystem);
    CHECK(second.message.find(folder.path().string()) != std::string::npos);
    CHECK(second.message.find("in use") != std::string::npos);
    CHECK(folder.files() == 0);
  }
  {
    const std::optional<FolderLock> lock = FolderLock::if_free(folder.path());
    CHECK(lock.has_value());
    CHECK_FALSE(FolderLock::if_free(folder.path()).has_value());
    CHECK(caught([&] { FolderLock again(folder.path()); }).code == ExitCode::filesystem);
  }
  {
    std::optional<FolderLock> lock = FolderLock::if_free(folder.path());
    std::atomic<bool> waits{true};
    std::thread other([&] {
      const FolderLock later = FolderLock::when_free(folder.path());
      waits = false;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    CHECK(waits);
    lock.reset();
    other.join();
    CHECK_FALSE(waits);
  }
  CHECK(caught([&] { FolderLock::if_free(folder / "none"); }).code == ExitCode::filesystem);
  FolderLock first(folder.path());
  FolderLock moved(std::move(first));
  CHECK_THROWS_AS(FolderLock(folder.path()), Error);
  moved = FolderLock();
  CHECK_NOTHROW(FolderLock(folder.path()));
  CHECK(caught([&] { FolderLock(folder / "none"); }).code == ExitCode::filesystem);
}

TEST_CASE("make_folder makes parents and refuses a file in the way") {
  const TemporaryFolder folder;
  make_folder(folder / "a/b/c");
  make_folder(folder / "a/b/c");
  make_folder(folder / "a/b/d/");
  CHECK(fs::is_directory(folder / "a/b/d"));
  folder.write("file", "");
  expect_error(caught([&] { make_folder(folder / "file"); }), ExitCode::filesystem, {"file"});
  expect_error(caught([&] { make_folder(folder / "file/b"); }), ExitCode::filesystem, {"file/b"});
}
