// What `run` decides, without running anything: hosts, words of mpirun, beats, endings, Slurm's job.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/process.h"
#include "launch/hosts.h"
#include "launch/judge.h"
#include "launch/lookout.h"
#include "launch/mpirun.h"
#include "launch/slurm.h"
#include "tests/support/errors.h"

namespace ortho {
namespace {

TEST(Hosts, AreReadWithTheirSlots) {
  const auto hosts = parse_hosts("# rack 1\nnode1 slots=4\n\nnode2   # one\n", "hosts");
  EXPECT_EQ(hosts, (std::vector<Host>{{"node1", 4}, {"node2", 1}}));
  EXPECT_EQ(slots_of(hosts), 5);
  EXPECT_EQ(parse_hosts(hosts_text(hosts), "hosts"), hosts);
}

TEST(Hosts, MistakesNameFileAndLine) {
  const std::pair<const char*, const char*> wrong[] = {
      {"node1\nnode2 slot=4\n", "hosts:2: 'slot=4' is not understood"},
      {"node1 slots=0\n", "hosts:1: 'slots=0' is not understood"},
      {"node1\nnode1\n", "hosts:2: host node1 stands there twice"},
      {"-oProxyCommand=x\n", "hosts:1: a host's name does not begin with '-'"},
      {"# none\n", "hosts names no host"}};
  for (const auto& [content, message] : wrong)
    expect_in(message, message_of([&, c = content] { parse_hosts(c, "hosts"); }, ErrorKind::usage));
}

TEST(Hosts, AreRefusedForAnotherBuildOrDisk) {
  HostFacts own{"node1", "orthotope 1, build a", 2, 1 << 30, true}, other = own;
  EXPECT_EQ(refusal(other, own), "");
  other.program = "orthotope 1, build b";
  expect_in("has another build: orthotope 1, build b", refusal(other, own));
  other = own;
  other.shares_folder = false;
  expect_in("does not see the run folder", refusal(other, own));
  other = own;
  other.shm_bytes = 1000;
  expect_in("1000 bytes free in /dev/shm", refusal(other, own));
}

TEST(Hosts, ShellWordsSurviveAShell) {
  for (const std::string word : {"a b", "it's", "$HOME", "", "\"`;&|\n"}) {
    Process echo({"sh", "-c", "printf %s " + shell_word(word)});
    echo.wait();
    EXPECT_EQ(echo.take_output(), word);
  }
}

TEST(Mpirun, WordsSayAllThatIsKnown) {
  MpirunFacts facts;
  facts.program = "/opt/orthotope";
  facts.config = "/runs/a b.yaml";
  facts.settings = {"seed=2"};
  facts.ranks = 4;
  facts.threads = 2;
  facts.hostfile = "/runs/hosts";
  facts.remote_shell = "ssh -F config";
  facts.network = "10.0.0.0/24";
  facts.local = false;
  facts.more = {"--tag-output"};
  facts.report = "10.0.0.7:999";
  facts.token = "t";
  facts.attempt = 3;
  const std::vector<std::string> words = mpirun_words(facts);
  std::string line;
  for (const std::string& word : words) line += word + ' ';
  for (const char* part :
       {"mpirun -n 4 --hostfile /runs/hosts --mca plm rsh --mca plm_rsh_agent ssh -F config ",
        "btl_tcp_if_include 10.0.0.0/24 ", "oob_tcp_if_include 10.0.0.0/24 ",
        "oob_tcp_keepalive_time 10 ", "-x OMP_NUM_THREADS=2 ", "--tag-output /opt/orthotope train ",
        "/runs/a b.yaml --set seed=2 --report 10.0.0.7:999 --token t --attempt 3 --spent 0 "})
    expect_in(part, line);
  for (const char* word : {"ssh -F config", "/runs/a b.yaml"})  // one word each
    EXPECT_EQ(std::count(words.begin(), words.end(), word), 1) << word;
  for (const char* word : {"--oversubscribe", "--any-ranks", "--allow-run-as-root"})
    EXPECT_EQ(std::count(words.begin(), words.end(), word), 0) << word;
}

Beat beat(int rank, const std::string& host, std::int64_t number, const std::string& operation,
          double quiet = 0) {
  Beat one;
  one.rank = rank;
  one.host = host;
  one.quiet_sec = quiet;
  one.named_sec = 5;
  one.allowed_sec = 30;
  one.activity.phase = "step";
  one.activity.step = 11;
  one.activity.number = number;
  one.activity.operation = operation;
  return one;
}

// Four ranks on two hosts, a beat a second.
class LookoutOfFour : public testing::Test {
 protected:
  void hear(double now, const std::vector<int>& silent = {}, double quiet = 0) {
    for (int rank = 0; rank < 4; ++rank)
      if (std::find(silent.begin(), silent.end(), rank) == silent.end())
        lookout_.take(beat(rank, rank < 2 ? "node1" : "node2", rank == 2 ? 40 : 41,
                           rank == 2 ? "" : "sum", quiet),
                      now);
  }
  Lookout lookout_{4, 5, 30, 300};
};

TEST_F(LookoutOfFour, IsCalmWhileAllGoesWell) {
  for (double now = 1; now < 20; ++now) hear(now);
  EXPECT_EQ(lookout_.hang(20), "");
  EXPECT_EQ(lookout_.notice(20), "");
  EXPECT_TRUE(lookout_.silent_hosts(20).empty());
}

TEST_F(LookoutOfFour, NamesRanksThatNeverBegan) {
  for (double now = 1; now < 301; ++now) hear(now, {1, 3});
  EXPECT_EQ(lookout_.hang(299), "");
  expect_in("ranks that have not begun after 301 s: 1, 3", lookout_.hang(301));
}

TEST_F(LookoutOfFour, ASilentHostIsAskedAndNamed) {
  hear(1);
  for (double now = 2; now < 9; ++now) hear(now, {2, 3});
  EXPECT_EQ(lookout_.silent_hosts(9), std::vector<std::string>{"node2"});
  lookout_.answered("node2", 9);
  EXPECT_TRUE(lookout_.silent_hosts(9).empty());
  for (double now = 10; now < 16; ++now) hear(now, {2, 3});
  EXPECT_EQ(lookout_.silent_hosts(15), std::vector<std::string>{"node2"});  // asked again later
}

TEST_F(LookoutOfFour, AStoppedRankIsNamedThenEnded) {
  hear(1);
  for (double now = 2; now < 40; ++now) {
    hear(now, {3});
    EXPECT_TRUE(lookout_.silent_hosts(now).empty());  // the other rank of the host speaks
  }
  const std::string notice = lookout_.notice(7);
  expect_in("no word for 6 s of rank 3 on node2, waiting in operation 41, sum", notice);
  EXPECT_EQ(lookout_.notice(8), "");  // once
  EXPECT_EQ(lookout_.hang(30), "");
  expect_in("rank 3 on node2", lookout_.hang(32));
}

// The others wait for it since a little before its last word.
TEST_F(LookoutOfFour, AStoppedRankIsNamedThoughTheOthersAreQuietSooner) {
  hear(1);
  hear(30, {3}, 30.5);
  expect_in("no word for 29 s of rank 3 on node2", lookout_.hang(30));
}

TEST_F(LookoutOfFour, AHangNamesTheRankTheOthersWaitFor) {
  hear(1);
  hear(40, {}, 6);
  expect_in("Behind the others: rank 2 on node2, computing or reading after operation 40",
            lookout_.notice(40));
  EXPECT_EQ(lookout_.hang(40), "");
  hear(70, {}, 31);
  const std::string hang = lookout_.hang(70);
  expect_in("no progress for 31 s. Behind the others: rank 2 on node2", hang);
  expect_in("of step 12, phase step", hang);
  EXPECT_EQ(hang.find("rank 1"), std::string::npos) << hang;
}

EndFacts facts_of(int code, Ending ending, int status_code = 0) {
  EndFacts facts;
  facts.code = code;
  facts.status = RunStatus{};
  facts.status->ending = ending;
  facts.status->code = status_code;
  return facts;
}

using Next = Verdict::Next;

TEST(Judge, TheStatusFileCountsMoreThanTheCode) {
  EXPECT_EQ(judge_end(facts_of(1, Ending::complete)).next, Next::finish);
  EXPECT_EQ(judge_end(facts_of(1, Ending::complete)).code, 0);
  EXPECT_EQ(judge_end(facts_of(75, Ending::stopped)).code, 75);
  EXPECT_EQ(judge_end(facts_of(137, Ending::stopped)).next, Next::again);  // mpirun was killed
  EXPECT_EQ(judge_end(facts_of(0, Ending::next_stage)).next, Next::stage);
  EXPECT_EQ(judge_end(facts_of(0, Ending::running)).next,
            Next::again);  // mpirun said 0 all the same
}

TEST(Judge, MistakesAndFullDisksAreNotStartedAgain) {
  for (const int code : {64, 65, 74}) {
    EXPECT_EQ(judge_end(facts_of(code, Ending::failed, code)).next, Next::finish) << code;
    EndFacts unknown;
    unknown.code = code;
    EXPECT_EQ(judge_end(unknown).next, Next::finish) << code;
    EXPECT_EQ(judge_end(unknown).code, code);
  }
}

TEST(Judge, CrashesAndHangsAre) {
  for (const int code : {0, 1, 70, 132, 137, 139, 205, 255}) {
    EndFacts facts;
    facts.code = code;
    EXPECT_EQ(judge_end(facts).next, Next::again) << code;
    EXPECT_NE(judge_end(facts).code, 0) << code;
    facts.asked = true;  // but whoever was asked to stop does not begin anew
    EXPECT_EQ(judge_end(facts).next, Next::finish) << code;
  }
  EndFacts hung;
  hung.ended_by_us = true;
  EXPECT_EQ(judge_end(hung).code, 70);
  EndFacts saved = facts_of(75, Ending::stopped);  // while it was ended
  EXPECT_EQ(judge_end(saved).next, Next::finish);
  saved.ended_by_us = true;
  EXPECT_EQ(judge_end(saved).next, Next::again);
}

TEST(Judge, BacksOffUpToAMinute) {
  FaultsConfig faults;
  EXPECT_EQ(back_off_sec(faults, 1), 2);
  EXPECT_EQ(back_off_sec(faults, 3), 8);
  EXPECT_EQ(back_off_sec(faults, 100), 60);
}

TEST(Slurm, TheJobSaysWhatItNeeds) {
  SlurmJob job;
  job.name = "run";
  job.program = "/opt/orthotope";
  job.config = "/runs/it's.yaml";
  job.folder = "/runs/out";
  job.settings = {"data.train=[a, b]"};
  job.ranks = 8;
  job.threads = 2;
  job.partition = "main";
  const std::string script = slurm_script(job);
  for (const char* line :
       {"#!/bin/bash\n", "#SBATCH --ntasks=8\n", "#SBATCH --cpus-per-task=2\n",
        "#SBATCH --partition=main\n", "#SBATCH --requeue\n", "#SBATCH --signal=B:USR1@60\n",
        "#SBATCH --output=/runs/out/slurm-%j.out\n",
        "exec '/opt/orthotope' run '/runs/it'\\''s.yaml' --requeue --set 'data.train=[a, b]'\n"})
    expect_in(line, script);
  EXPECT_EQ(script.find("--nodes"), std::string::npos);
  EXPECT_EQ(script.find("--time"), std::string::npos);
}

}  // namespace
}  // namespace ortho
