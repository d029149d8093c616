// A report is only as good as what it reads: files of killed runs, of other machines, and broken
// ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "report/analysis.h"
#include "report/figures.h"
#include "report/page.h"
#include "tests/store/temporary_folder.h"

namespace panal::report {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

class ReadRun : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  // Ten steps of 100 tokens: 0.5 s each on the first machine, 0.25 s on the second.
  void write_two_machine_run() const {
    std::string lines = R"({"step":0,"validation_loss":6.0,"perplexity":403.4})"
                        "\n";
    for (int step = 1; step <= 10; ++step) {
      lines += R"({"step":)" + std::to_string(step) + R"(,"loss":)" +
               std::to_string(5.0 - 0.1 * step) + R"(,"gradient_norm":1.5,"tokens":)" +
               std::to_string(100 * step) + R"(,"seconds":)" + (step <= 4 ? "0.5" : "0.25") + "}\n";
    }
    write("metrics.jsonl", lines);
    write("config.json", R"({"name":"<b>twice & \"quoted\"</b>"})");
    write("summary.json",
          R"({"status":"completed","parameters":1234,"planned_steps":10,"seconds":9.5,)"
          R"("tokens":1000,"energy":{"joules":50.0,"method":"estimated:cpu-time"}})");
    write("machines.json",
          R"({"model":{"matrix_parameters":1000,"layers":2,"heads":2,"head_width":8,"context":16},)"
          R"("calls":[{"from_step":0,"peak_resident_bytes":1000,"machine":{"cpu":"A","cores":2,)"
          R"("threads":2,"memory_bytes":8,"precision":"fp32","peak_flops":1e7,)"
          R"("memory_bytes_per_s":1e9}},)"
          R"({"from_step":2,"peak_resident_bytes":3000,"largest_process_bytes":1600,)"
          R"("machine":{"cpu":"A","cores":2,"threads":2,)"
          R"("memory_bytes":8,"precision":"fp32"}},)"
          R"({"from_step":4,"machine":{"cpu":"B","cores":4,"threads":4,"memory_bytes":8,)"
          R"("precision":"fp32","peak_flops":2e7}}]})");
  }
  const test::TemporaryFolder own_;
  const std::filesystem::path folder_ = own_.path();
};

TEST_F(ReadRun, KeepsResumesOnAnotherMachineApart) {
  write_two_machine_run();
  const auto record = read_run(folder_);
  ASSERT_TRUE(record.ok()) << record.status().message();
  const RunAnalysis run = analyse(*record, {});
  ASSERT_EQ(run.stretches.size(), 2u);
  const Stretch &first = run.stretches[0], &second = run.stretches[1];
  EXPECT_EQ(first.last_step, 4);
  EXPECT_EQ(second.first_step, 5);
  EXPECT_DOUBLE_EQ(*first.mean_tokens_per_s, 200);
  EXPECT_DOUBLE_EQ(*second.mean_tokens_per_s, 400);
  // 6 * 1000 + 12 * 2 * 2 * 8 * 16 = 12,144 FLOPs a token.
  EXPECT_DOUBLE_EQ(*first.mfu, 12144.0 * 200 / 1e7);
  EXPECT_DOUBLE_EQ(*second.mfu, 12144.0 * 400 / 2e7);
  EXPECT_DOUBLE_EQ(*first.flops_per_byte, 12144.0 * 200 / 1e9);
  EXPECT_EQ(*first.peak_resident_bytes, 3000);
  EXPECT_EQ(*first.largest_process_bytes, 1600);
  // What the second machine did not record stays unknown.
  EXPECT_FALSE(second.peak_resident_bytes);
  EXPECT_FALSE(second.flops_per_byte);
  EXPECT_EQ(*run.resumes, 2);
  EXPECT_DOUBLE_EQ(*run.joules_per_token, 0.05);
  EXPECT_FALSE(run.grams_co2);
  const Json json = analysis_to_json(run);
  EXPECT_TRUE(json["energy"]["grams_co2"].is_null());
  EXPECT_TRUE(json["stretches"][1]["peak_resident_bytes"].is_null());
}

TEST_F(ReadRun, PlacesLossesOverStepsTokensAndSeconds) {
  write_two_machine_run();
  const RunAnalysis run = analyse(read_run(folder_).value(), {});
  ASSERT_EQ(run.training.size(), 10u);
  EXPECT_EQ(run.training[9].tokens, 1000);
  EXPECT_DOUBLE_EQ(run.training[9].seconds, 4 * 0.5 + 6 * 0.25);
  ASSERT_EQ(run.validation.size(), 1u);
  EXPECT_EQ(run.validation[0].tokens, 0);
  EXPECT_DOUBLE_EQ(run.validation[0].loss, 6.0);
}

TEST_F(ReadRun, LeavesOutALastLineThatACrashCutOff) {
  write("metrics.jsonl",
        "{\"step\":1,\"loss\":3.0,\"tokens\":10,\"seconds\":1.0}\n{\"step\":2,\"lo");
  const auto record = read_run(folder_);
  ASSERT_TRUE(record.ok()) << record.status().message();
  EXPECT_EQ(record->steps.size(), 1u);
  EXPECT_THAT(record->notes, Contains(HasSubstr("line 2: cut off")));
  EXPECT_THAT(record->notes, Contains(HasSubstr("no summary.json")));
  EXPECT_THAT(record->notes, Contains(HasSubstr("no validation")));
  const RunAnalysis run = analyse(*record, {});
  EXPECT_FALSE(run.resumes);
  EXPECT_FALSE(run.joules_per_token);
  EXPECT_FALSE(run.stretches[0].mfu);
}

TEST_F(ReadRun, NamesTheLineOfDamageInTheMiddle) {
  write("metrics.jsonl",
        "{\"step\":1,\"loss\":3.0,\"tokens\":10,\"seconds\":1.0}\n{\"step\":2,\"lo\n"
        "{\"step\":3,\"loss\":3.0,\"tokens\":30,\"seconds\":1.0}\n");
  const auto record = read_run(folder_);
  EXPECT_EQ(record.code(), Code::kCorrupt);
  EXPECT_THAT(record.status().message(), HasSubstr("metrics.jsonl line 2"));
}

TEST_F(ReadRun, RefusesNumbersThatCannotBe) {
  write("metrics.jsonl", "{\"step\":1,\"loss\":3.0,\"tokens\":10,\"seconds\":-1.0}\n");
  EXPECT_THAT(read_run(folder_).status().message(), HasSubstr("\"seconds\""));
  write("metrics.jsonl", "{\"step\":\"one\",\"loss\":3.0}\n");
  EXPECT_THAT(read_run(folder_).status().message(), HasSubstr("line 1: \"step\""));
}

TEST_F(ReadRun, SaysWhatWasWantedWhenThereIsNoRun) {
  EXPECT_EQ(read_run(folder_ / "missing").code(), Code::kNotFound);
  EXPECT_THAT(read_run(folder_).status().message(), HasSubstr("a folder without one"));
  write("other.json", "{\"answer\":42}");
  EXPECT_THAT(read_run(folder_ / "other.json").status().message(), HasSubstr("bench train"));
  write("broken.json", "{\"answer\":");
  EXPECT_EQ(read_run(folder_ / "broken.json").code(), Code::kCorrupt);
}

TEST_F(ReadRun, CountsSkippedStepsAndNeverDrawsTheirLoss) {
  write("metrics.jsonl",
        "{\"step\":1,\"loss\":null,\"tokens\":10,\"seconds\":1.0,\"skipped\":true}\n"
        "{\"step\":2,\"loss\":2.0,\"tokens\":20,\"seconds\":1.0}\n");
  const RunAnalysis run = analyse(read_run(folder_).value(), {});
  EXPECT_EQ(run.skipped_steps, 1);
  ASSERT_EQ(run.training.size(), 1u);
  EXPECT_EQ(run.training[0].step, 2);
}

// N follows from the document's own FLOPs: (6 N + 12 L H Q T) tokens/s.
TEST_F(ReadRun, ReadsABenchmarkOfAnyProgramWithTheSameKeys) {
  write("bench.json",
        R"({"arch":"gpt2","precision":"bf16","mode":"eager","torch":"2.11","layers":2,"width":16,)"
        R"("heads":2,"vocab":100,"context":16,"batch":4,"parameters":5000,"tokens_per_s":200.0,)"
        R"("step_s":0.32,"gflops":0.0024288,"gemm_peak_gflops":0.01,"mfu":0.24288})");
  const auto record = read_run(folder_ / "bench.json");
  ASSERT_TRUE(record.ok()) << record.status().message();
  const RunAnalysis run = analyse(*record, {});
  EXPECT_EQ(run.record.cost->matrix_parameters, 1000);
  EXPECT_NEAR(*run.stretches[0].mfu, 0.24288, 1e-9);
  EXPECT_FALSE(run.stretches[0].step_seconds);
  EXPECT_THAT(run.record.name, HasSubstr("PyTorch eager"));
}

TEST_F(ReadRun, WritesAPageThatNeedsNoNetworkAndEscapesNames) {
  write_two_machine_run();
  const std::vector<RunAnalysis> runs = {analyse(read_run(folder_).value(), {}),
                                         analyse(read_run(folder_).value(), {})};
  const std::string page = html_page(runs, "2026-01-01T00:00:00Z");
  EXPECT_THAT(page, HasSubstr("&lt;b&gt;twice &amp; &#34;quoted&#34;&lt;/b&gt;"));
  EXPECT_THAT(page, Not(HasSubstr("<b>twice")));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, Not(HasSubstr("src=")));
  EXPECT_THAT(page, Not(HasSubstr("url(")));
  EXPECT_THAT(page, Not(HasSubstr("nan")));
  EXPECT_THAT(page, HasSubstr("machine 2"));
  EXPECT_THAT(page, HasSubstr("6 N + 12 L H Q T"));
  EXPECT_THAT(page, HasSubstr("class=\"unknown\">unknown"));
}

TEST_F(ReadRun, ShowsARunThatHasTakenNoStep) {
  write("metrics.jsonl", "");
  const RunAnalysis run = analyse(read_run(folder_).value(), {});
  const std::vector<RunAnalysis> runs = {run};
  EXPECT_THAT(html_page(runs, ""), HasSubstr("nothing was recorded"));
  EXPECT_EQ(figures_of(runs).columns.size(), 1u);
}

}  // namespace
}  // namespace panal::report
