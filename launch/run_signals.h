// Run signals: what asks `run` to stop. USR1, TERM, INT and HUP only count; `run` looks.
#pragma once

namespace ortho {

void count_stop_signals();  // installs the handlers; once, early
int stop_signals();         // that came so far

}  // namespace ortho
