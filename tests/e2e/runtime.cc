// SPDX-License-Identifier: Apache-2.0
// Runs llama.cpp on one model: without its head, then with it. `runtime MODEL [SIDECAR]`
//
// Generates greedily and tells on stdout, a line each, how far it came; each line is out before the next step begins,
// because llama.cpp may abort or crash. Its warnings and errors go to stderr. Exits 0 whatever llama.cpp refuses.
//
//   plain loaded            the model without draft-mtp, and a context of it
//   plain text 65 66 ...    the tokens that it generated
//   draft loaded            the model as draft-mtp loads it
//   draft context           and a context of its head
//   draft text 65 66 ...
//   draft count D A         tokens drafted and accepted

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>

#include "common.h"
#include "llama.h"
#include "sampling.h"
#include "speculative.h"

namespace {

constexpr int kPredicted = 24;
constexpr const char* kPrompt = "the end of the other theme, then the rest";

void Tell(const std::string& line) { std::cout << line << std::endl; }

void TellTokens(const std::string& what, const llama_tokens& tokens) {
  std::string line = what + " text";
  for (size_t i = 0; i < std::min<size_t>(tokens.size(), kPredicted); ++i) line += " " + std::to_string(tokens[i]);
  Tell(line);
}

// At once, not by a thread as common's own: the reason of an abort would be lost.
void Log(ggml_log_level level, const char* text, void*) {
  if (level == GGML_LOG_LEVEL_WARN || level == GGML_LOG_LEVEL_ERROR) {
    (void)!write(STDERR_FILENO, text, std::string_view(text).size());
  }
}

common_params MakeParams(const std::string& model) {
  common_params params;
  params.model.path = model;
  params.n_ctx = 512;
  params.n_batch = 512;
  params.n_predict = kPredicted;
  params.cpuparams.n_threads = 1;
  params.cpuparams_batch.n_threads = 1;
  params.n_gpu_layers = 0;
  params.warmup = false;
  params.fit_params = false;
  // The repacked weights of some processors give other sums for one token than for two, and others cannot multiply F16.
  params.no_extra_bufts = true;
  params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  params.sampling.temp = 0;
  params.sampling.top_k = 1;
  params.sampling.ignore_eos = true;
  return params;
}

void Plain(const std::string& model) {
  common_params params = MakeParams(model);
  const auto init = common_init_from_params(params);
  llama_context* context = init->context();
  if (context == nullptr) return;
  Tell("plain loaded");
  llama_tokens input = common_tokenize(context, kPrompt, true, true);
  const common_sampler_ptr sampler(common_sampler_init(init->model(), params.sampling));
  llama_tokens tokens;
  if (llama_decode(context, llama_batch_get_one(input.data(), static_cast<int32_t>(input.size()))) != 0) return;
  while (true) {
    llama_token token = common_sampler_sample(sampler.get(), context, -1);
    common_sampler_accept(sampler.get(), token, true);
    tokens.push_back(token);
    if (tokens.size() == kPredicted) break;
    if (llama_decode(context, llama_batch_get_one(&token, 1)) != 0) return;
  }
  TellTokens("plain", tokens);
}

constexpr llama_state_seq_flags kPartial = LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY;

void ForgetFrom(llama_context* context, llama_pos position) {
  llama_memory_seq_rm(llama_get_memory(context), 0, position, -1);
}

bool CannotForget(llama_context* context) {
  return common_context_can_seq_rm(context) == COMMON_CONTEXT_SEQ_RM_TYPE_FULL;
}

// The loop of llama.cpp's examples/speculative-simple. A context that cannot forget its last tokens is brought back to
// how it was before the draft; then the tokens that were right are gone through once more, as a draft that is known to
// be so.
class Drafting {
 public:
  Drafting(llama_model* model, llama_context* target, llama_context* head, common_params& params)
      : target_(target),
        head_(head),
        target_cannot_forget_(CannotForget(target)),
        head_cannot_forget_(CannotForget(head)),
        sampler_(common_sampler_init(model, params.sampling)),
        speculative_(common_speculative_init(params.speculative, 1)),
        batch_(llama_batch_init(params.n_batch, 0, 1)) {}
  ~Drafting() { llama_batch_free(batch_); }
  Drafting(const Drafting&) = delete;
  Drafting& operator=(const Drafting&) = delete;

  bool Start(const llama_tokens& prompt) {
    if (speculative_ == nullptr) return false;
    past_.assign(prompt.begin(), prompt.end() - 1);
    last_ = prompt.back();
    for (const llama_token token : past_) common_batch_add(batch_, token, batch_.n_tokens, {0}, false);
    if (!Evaluate()) return false;
    common_speculative_begin(speculative_.get(), 0, past_);
    return true;
  }

  bool Step() {
    const bool is_new = draft_.empty();
    if (is_new) Propose();
    const auto n_past = static_cast<llama_pos>(past_.size());
    common_batch_clear(batch_);
    common_batch_add(batch_, last_, n_past, {0}, true);
    for (const llama_token token : draft_) common_batch_add(batch_, token, n_past + batch_.n_tokens, {0}, true);
    if (!Evaluate()) return false;

    common_sampler_ptr before(target_cannot_forget_ ? common_sampler_clone(sampler_.get()) : nullptr);
    llama_tokens found = common_sampler_sample_and_accept_n(sampler_.get(), target_, draft_);
    if (is_new) accepted_ += found.size() - 1;
    if (target_cannot_forget_ && found.size() <= draft_.size()) {
      checkpoint_.load_tgt(target_, 0, kPartial);
      checkpoint_.load_dft(head_, 0, kPartial);
      ForgetFrom(target_, checkpoint_.pos_max + 1);
      ForgetFrom(head_, checkpoint_.pos_max + 1);
      sampler_ = std::move(before);
      draft_ = std::move(found);
      return true;
    }
    common_speculative_accept(speculative_.get(), 0, static_cast<uint16_t>(found.size() - 1));
    for (const llama_token token : found) {
      past_.push_back(last_);
      last_ = token;
      tokens_.push_back(token);
    }
    draft_.clear();
    ForgetFrom(target_, static_cast<llama_pos>(past_.size()));
    ForgetFrom(head_, static_cast<llama_pos>(past_.size()));
    return true;
  }

  const llama_tokens& tokens() const { return tokens_; }
  size_t drafted() const { return drafted_; }
  size_t accepted() const { return accepted_; }

 private:
  bool Evaluate() {
    return llama_decode(target_, batch_) == 0 && common_speculative_process(speculative_.get(), batch_);
  }

  void Propose() {
    llama_memory_t memory = llama_get_memory(target_);
    checkpoint_.update_pos(static_cast<int64_t>(past_.size()), llama_memory_seq_pos_min(memory, 0),
                           llama_memory_seq_pos_max(memory, 0));
    if (head_cannot_forget_) checkpoint_.update_dft(head_, 0, kPartial);
    common_speculative_get_draft_params(speculative_.get(), 0) = {true,  -1,     static_cast<llama_pos>(past_.size()),
                                                                  last_, &past_, &draft_};
    common_speculative_draft(speculative_.get());
    drafted_ += draft_.size();
    if (!draft_.empty() && target_cannot_forget_) checkpoint_.update_tgt(target_, 0, kPartial);
    if (head_cannot_forget_) checkpoint_.load_dft(head_, 0, kPartial);
    ForgetFrom(head_, checkpoint_.pos_max + 1);
  }

  llama_context* target_;
  llama_context* head_;
  bool target_cannot_forget_;
  bool head_cannot_forget_;
  common_sampler_ptr sampler_;
  common_speculative_ptr speculative_;
  llama_batch batch_;
  common_prompt_checkpoint checkpoint_;
  llama_tokens past_;     // what the target has seen,
  llama_token last_ = 0;  // and the token after it
  llama_tokens draft_;
  llama_tokens tokens_;
  size_t drafted_ = 0;
  size_t accepted_ = 0;
};

void Draft(const std::string& model, const std::string& sidecar) {
  common_params params = MakeParams(model);
  auto& speculative = params.speculative;
  speculative.types = {COMMON_SPECULATIVE_TYPE_DRAFT_MTP};
  speculative.draft.n_max = 2;
  speculative.draft.mparams.path = sidecar;
  speculative.draft.cpuparams.n_threads = 1;
  speculative.draft.cpuparams_batch.n_threads = 1;
  const auto limits = common_speculative_get_output_limits(params.n_batch, params.n_parallel, speculative.draft.n_max);
  params.n_outputs_max = limits.total;
  params.n_outputs_max_per_seq = limits.per_seq;

  const auto init = common_init_from_params(params);
  if (init->context() == nullptr) return;
  Tell("draft loaded");
  common_params of_head = common_base_params_to_speculative(params);
  const auto head = common_speculative_init_from_params(of_head, init->model(), init->context());
  if (head->context() == nullptr) return;
  Tell("draft context");
  speculative.draft.ctx_tgt = init->context();
  speculative.draft.ctx_dft = head->context();

  Drafting drafting(init->model(), init->context(), head->context(), params);
  if (!drafting.Start(common_tokenize(init->context(), kPrompt, true, true))) return;
  while (drafting.tokens().size() < kPredicted) {
    if (!drafting.Step()) return;
  }
  TellTokens("draft", drafting.tokens());
  Tell("draft count " + std::to_string(drafting.drafted()) + " " + std::to_string(drafting.accepted()));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::cerr << "usage: runtime MODEL [SIDECAR]\n";
    return 2;
  }
  llama_log_set(Log, nullptr);
  llama_backend_init();
  Plain(argv[1]);
  Draft(argv[1], argc > 2 ? argv[2] : "");
  // Nothing is to be learnt from how llama.cpp ends.
  _exit(0);
}
