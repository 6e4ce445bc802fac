// Pack list: records given part by part in a file of JSON lines, one record a line.
//
//   {"parts": [{"file": "7.png"}, {"text": "ankle boot"}], "split": "train"}
//   {"parts": [{"file": "seven.wav"}, {"file": "train-images-idx3-ubyte.gz", "index": 15}]}
//
// "index" is one image of an IDX file, from 0. Paths start at the list's own folder.
// Without "split" the rule of `pack` decides. Empty lines are none.
#pragma once

#include <string>
#include <vector>

#include "dataio/pack.h"

namespace ortho {

// Every complaint names file:line: Error(data) where a line is no JSON, Error(usage) where it says
// something else than above.
std::vector<PackItem> read_pack_list(const std::string& path);

}  // namespace ortho
