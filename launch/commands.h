// Commands: what `orthotope VERB` does, one function a verb. Each returns the exit code.
#pragma once

#include "launch/options.h"

namespace ortho {

int run_pack(const PackOptions& options);
int run_plan(const PlanOptions& options);
int run_probe(const ProbeOptions& options);
int run_train(const TrainOptions& options);
int run_evaluate(const EvaluateOptions& options);
int run_generate(const GenerateOptions& options);
int run_inspect(const InspectOptions& options);
int run_verify(const VerifyOptions& options);
int run_rehearse(const RehearseOptions& options);
int run_export(const ExportOptions& options);
int run_apply(const ApplyOptions& options);
int run_run(const RunOptions& options);
int run_host_check(const HostCheckOptions& options);
int run_sweep(const SweepOptions& options);

}  // namespace ortho
