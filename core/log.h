// Log: plain lines on standard error; rank 0 speaks, others only about trouble of their own.
//
// The rank is given (set_rank in core/error.h and `set_log_rank` here), never asked for.
#pragma once

#include <string>

namespace ortho {

void set_log_rank(int rank);
void say(const std::string& line);   // rank 0 only, a line
void warn(const std::string& line);  // any rank, "warning: " and the rank in front
// Rank 0 only: redrawn in place on a terminal, else a plain line.
void progress(const std::string& line);
bool log_is_terminal();

}  // namespace ortho
