#include "dataio/hdf5.h"

#include <gtest/gtest.h>
#include <hdf5.h>

#include <functional>
#include <thread>

#include "dataio/hdf5_draft.h"
#include "tests/dataio/samples.h"

namespace ortho {
namespace {

// A foreign file, made with the library itself; every case has one dataset or link at /a.
std::string foreign_file(const TempFolder& folder, const std::function<void(hid_t file)>& fill) {
  const std::string path = folder / "foreign.h5";
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  fill(file);
  EXPECT_GE(H5Fclose(file), 0);
  return path;
}

void expect_refused(const std::function<void(hid_t file)>& fill, const std::string& words) {
  const TempFolder folder;
  const std::string path = foreign_file(folder, fill);
  const Error error = error_of([&] { Hdf5File::open(path).open_dataset("/a", Number::u8, 1); });
  EXPECT_EQ(error.kind(), ErrorKind::data);
  EXPECT_SAYS(error, path);
  EXPECT_SAYS(error, words);
}

// u8 [16] at `name`, with the layout that `set` asks for.
void make_bytes(hid_t file, const char* name, const std::function<void(hid_t plist)>& set) {
  const hsize_t size = 16;
  const hid_t space = H5Screate_simple(1, &size, nullptr), plist = H5Pcreate(H5P_DATASET_CREATE);
  set(plist);
  const hid_t made = H5Dcreate2(file, name, H5T_STD_U8LE, space, H5P_DEFAULT, plist, H5P_DEFAULT);
  ASSERT_GE(made, 0);
  H5Dclose(made);
  H5Pclose(plist);
  H5Sclose(space);
}

void plain(hid_t) {}

TEST(Hdf5, LinksOutOfTheFileAreRefused) {
  expect_refused(
      [](hid_t file) {
        make_bytes(file, "/b", plain);
        H5Lcreate_soft("/b", file, "/a", H5P_DEFAULT, H5P_DEFAULT);
      },
      "/a is a link out of its place");
  expect_refused(
      [](hid_t file) {
        H5Lcreate_external("/etc/passwd", "/x", file, "/a", H5P_DEFAULT, H5P_DEFAULT);
      },
      "/a is a link out of its place");
}

TEST(Hdf5, OtherLayoutsAndFiltersAreRefused) {
  expect_refused(
      [](hid_t file) { make_bytes(file, "/a", [](hid_t p) { H5Pset_layout(p, H5D_COMPACT); }); },
      "/a is neither contiguous nor chunked");
  expect_refused(
      [](hid_t file) {
        make_bytes(file, "/a", [](hid_t p) { H5Pset_external(p, "/etc/passwd", 0, 16); });
      },
      "/a lies in another file");
  expect_refused(
      [](hid_t file) {
        make_bytes(file, "/a", [](hid_t p) {
          const hsize_t chunk = 8;
          H5Pset_chunk(p, 1, &chunk);
          H5Pset_fletcher32(p);
        });
      },
      "/a uses filter 3");
  expect_refused(
      [](hid_t file) {
        make_bytes(file, "/a", [](hid_t p) {
          const hsize_t size = 16;
          const hid_t space = H5Screate_simple(1, &size, nullptr);
          H5Pset_virtual(p, space, "/tmp/other.h5", "/x", space);
          H5Sclose(space);
        });
      },
      "/a is neither contiguous nor chunked");
}

TEST(Hdf5, OtherTypesAndRanksAreRefused) {
  const auto with_type = [](hid_t type, int rank) {
    return [=](hid_t file) {
      const hsize_t sizes[2] = {4, 4};
      const hid_t space =
          rank == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(rank, sizes, nullptr);
      H5Dclose(H5Dcreate2(file, "/a", type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
      H5Sclose(space);
    };
  };
  expect_refused(with_type(H5T_STD_U16LE, 1), "/a is of a type that is not read here");
  expect_refused(with_type(H5T_STD_U64BE, 1), "/a is of a type that is not read here");
  expect_refused(with_type(H5T_STD_U64LE, 1), "/a is not of type u8");
  expect_refused(with_type(H5T_STD_REF_OBJ, 1), "/a is of a type that is not read here");
  const hid_t text_type = H5Tcopy(H5T_C_S1);
  H5Tset_size(text_type, H5T_VARIABLE);
  expect_refused(with_type(text_type, 1), "/a is of a type that is not read here");
  H5Tclose(text_type);
  expect_refused(with_type(H5T_STD_U8LE, 2), "/a has 2 axes where 1 belong");
  expect_refused(with_type(H5T_STD_U8LE, 0), "/a is not an array");
  expect_refused(
      [](hid_t file) { H5Gclose(H5Gcreate2(file, "/a", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT)); },
      "cannot open ");
}

TEST(Hdf5, AttributesOfAnotherKindAreRefused) {
  const TempFolder folder;
  const std::string path = folder / "a.h5";
  const std::vector<std::int64_t> none, three = {1, 2, 3};
  {
    Hdf5File file = Hdf5File::create(path);
    file.write_attribute("word", std::string("text"));
    file.write_attribute("nothing", std::string());
    file.write_attribute("number", std::uint32_t{7});
    file.write_attribute("three", std::span<const std::int64_t>(three));
    file.write_attribute("none", std::span<const std::int64_t>(none));
    file.sync_and_close();
  }
  const Hdf5File file = Hdf5File::open(path);
  EXPECT_EQ(file.read_attribute_text("word"), "text");
  EXPECT_EQ(file.read_attribute_text("nothing"), "");
  EXPECT_EQ(file.read_attribute<std::uint32_t>("number"), 7u);
  EXPECT_EQ(file.read_attribute_list<std::int64_t>("three"), three);
  EXPECT_EQ(file.read_attribute_list<std::int64_t>("none"), none);
  EXPECT_FALSE(file.has_attribute("other"));
  EXPECT_SAYS(error_of([&] { file.read_attribute<std::uint64_t>("number"); }),
              "number is not of type u64");
  EXPECT_SAYS(error_of([&] { file.read_attribute<std::int64_t>("three"); }),
              "three has 3 values where 1 (scalar)");
  EXPECT_SAYS(error_of([&] { file.read_attribute_text("number"); }),
              "number is not one text of fixed length");
  EXPECT_SAYS(error_of([&] { file.read_attribute<double>("other"); }),
              "cannot read attribute other of " + path);
}

// Each thread has an error stack of its own, which prints unless told otherwise.
TEST(Hdf5, NothingIsPrintedOnAnyThread) {
  const TempFolder folder;
  write_bytes(folder / "a.h5", {1, 2, 3});
  ::testing::internal::CaptureStderr();
  std::thread([&] {
    EXPECT_SAYS(error_of([&] { Hdf5File::open(folder / "a.h5"); }), "no HDF5 file");
  }).join();
  EXPECT_SAYS(error_of([&] { Hdf5File::open(folder / "a.h5"); }), "no HDF5 file");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(Hdf5Draft, WhatDoesNotReadBackGetsNoName) {
  const TempFolder folder;
  const std::string path = folder / "a.h5";
  write_bytes(path, {1});
  Hdf5Draft draft(path);
  const Error error = error_of([&] {
    draft.publish([&](const std::string& temporary) {
      EXPECT_EQ(temporary, path + ".tmp");
      fail(ErrorKind::data, "zeros");
    });
  });
  EXPECT_EQ(error.kind(), ErrorKind::disk);
  EXPECT_SAYS(error, path + " does not read back as it was written: ");
  EXPECT_SAYS(error, "zeros");
  EXPECT_EQ(list_folder(folder.path()), std::vector<std::string>{"a.h5"});
  EXPECT_EQ(read_bytes(path), std::vector<std::uint8_t>{1});  // what was there before is untouched
}

}  // namespace
}  // namespace ortho
