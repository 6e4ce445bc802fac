// NcclFamily: the communicators of one rank, and the one way in which all their calls are made.
#pragma once

#include <nccl.h>

#include <exception>
#include <source_location>
#include <string>
#include <vector>

#include "comm/cuda/lanes.h"

namespace ortho {

struct Member {
  ncclComm_t communicator = nullptr;
  std::string name;  // "world", "mesh axis batch"
  int rank = 0, ranks = 1;
};

class NcclFamily {
 public:
  NcclFamily(CudaDevice& device, const DeviceChannelSetting& setting) : lanes_(device, setting) {}
  NcclFamily(const NcclFamily&) = delete;
  NcclFamily& operator=(const NcclFamily&) = delete;
  ~NcclFamily();  // ends all communicators; after an exception without waiting for other ranks

  Lanes& lanes() { return lanes_; }
  // A communicator that NCCL began; ready on return. The family owns it.
  Member add(ncclComm_t communicator, const std::string& name);
  // The result of a call for the operation `what`; waits for one that is still in progress.
  void check(const Member& member, ncclResult_t result, const std::string& what,
             std::source_location where = std::source_location::current());
  void wait(const Member& member, const std::string& what);  // for the compute stream

 private:
  // Throws after all communicators of the family have been aborted: then no kernel of NCCL spins.
  [[noreturn]] void give_up(const Member& member, const std::string& what, const std::string& why,
                            std::source_location where);
  void look(const Member& member, const std::string& what);  // whether any of them failed
  void finish(ncclComm_t communicator);

  Lanes lanes_;
  std::vector<Member> members_;
  bool aborted_ = false;
  int exceptions_ = std::uncaught_exceptions();
};

}  // namespace ortho
