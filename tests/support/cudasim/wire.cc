#include "tests/support/cudasim/wire.h"

#include <deque>
#include <map>
#include <mutex>
#include <utility>

namespace ortho::sim {
namespace {

struct Mail {
  std::mutex mutex;  // guards the two below
  std::map<Post, std::deque<Bytes>> letters;
  Carrier* carrier = nullptr;
};

Mail& mail() {
  static Mail all;
  return all;
}

}  // namespace

void use(Carrier* carrier) {
  const std::lock_guard lock(mail().mutex);
  mail().carrier = carrier;
}

int my_process() {
  const std::lock_guard lock(mail().mutex);
  return mail().carrier == nullptr ? 0 : mail().carrier->process();
}

void send(int process, const Post& post, const Bytes& bytes) {
  const std::lock_guard lock(mail().mutex);
  Carrier* carrier = mail().carrier;
  if (carrier == nullptr || carrier->process() == process)
    mail().letters[post].push_back(bytes);
  else
    carrier->send(process, post, bytes);
}

bool take(const Post& post, Bytes& bytes) {
  const std::lock_guard lock(mail().mutex);
  if (mail().carrier != nullptr) {
    std::pair<Post, Bytes> come;
    while (mail().carrier->receive(come.first, come.second))
      mail().letters[come.first].push_back(std::move(come.second));
  }
  const auto found = mail().letters.find(post);
  if (found == mail().letters.end()) return false;
  bytes = std::move(found->second.front());
  found->second.pop_front();
  if (found->second.empty()) mail().letters.erase(found);
  return true;
}

}  // namespace ortho::sim
