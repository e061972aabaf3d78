// SPDX-License-Identifier: Apache-2.0
// Runs llama.cpp (through @fugood/llama.node) on one model, in a process of its own.
//
// A process of its own, because llama.node dies with SIGSEGV after every model that llama.cpp refuses, and because
// llama.cpp aborts on some wrong models. Its log goes to stderr and llama.node's own lines to stdout, so the results
// come back over the IPC channel.

import { fork } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const self = fileURLToPath(import.meta.url);

export const INSTALL_COMMAND = 'npm ci --omit=optional --ignore-scripts --prefix tests/e2e';

/** llama.node's error for an architecture whose recurrent state llama.cpp cannot roll back after a rejected draft. */
export const CANNOT_ROLL_BACK = /MTP for recurrent or hybrid models must be enabled/;

/** The runtime's packages that are not installed. */
export function missingPackages() {
  const wanted = ['@fugood/llama.node', `@fugood/node-llama-${process.platform}-${process.arch}`];
  return wanted.filter((name) => {
    try {
      require.resolve(name);
      return false;
    } catch {
      return true;
    }
  });
}

/**
 * Generates greedily from each prompt, with draft-mtp if n_max > 0, by the head of draft_model or else of the model.
 *
 * Resolves, whatever happens to the model, to
 *   loaded  the model and its context could be made
 *   error   null, or why the job did not complete: an exception's message or the signal that ended the process
 *   log     what llama.cpp wrote
 *   runs    one {text, tokens, drafted, accepted, tokens_per_second} per completed prompt
 *
 * Fewer than n_predict tokens come back when the model ends its text: llama.node 1.7.15 takes `ignore_eos` but does
 * not apply it. tokens_per_second covers generation only, not the prompt; it is null where there is too little to time.
 */
export function run({ model, prompts, n_predict, n_max = 0, draft_model, n_ctx = 1024, n_threads = 1, flash_attn = 'auto' }) {
  return new Promise((resolve, reject) => {
    const child = fork(self, [], { silent: true, execArgv: [] });
    const result = { loaded: false, error: null, log: '', runs: [] };
    let finished = false;

    child.stdout.resume();
    child.stderr.setEncoding('utf8').on('data', (text) => (result.log += text));
    child.on('message', ({ loaded, completed, error, done }) => {
      if (loaded) result.loaded = true;
      if (completed) result.runs.push(completed);
      if (error) result.error = error;
      if (done) finished = true;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      // How the process ends after its last message says nothing about the job.
      if (!finished) result.error ??= `llama.cpp ended with ${signal ?? `exit code ${code}`}`;
      resolve(result);
    });
    // A child that is already gone reports itself through 'close'.
    child.send({ model, prompts, n_predict, n_max, draft_model, n_ctx, n_threads, flash_attn }, () => {});
  });
}

/** The line of llama.cpp's log that says why a job failed, or else the error that ended it. */
export function reason({ log, error }) {
  const causes = [
    /^gguf_init\w*: (.+)/m,
    /error loading model: (.+)/,
    /(context type MTP requested .+)/,
    /(.*(?:GGML_ASSERT|unsupported types|failed to allocate).*)/,
  ];
  for (const cause of causes) {
    const match = cause.exec(log);
    if (match) return match[1];
  }
  return error;
}

async function work({ model, prompts, n_predict, n_max, draft_model, n_ctx, n_threads, flash_attn }) {
  const { loadModel } = require('@fugood/llama.node');
  const context = await loadModel({
    model,
    n_ctx,
    n_threads,
    n_gpu_layers: 0,
    flash_attn_type: flash_attn,
    state_cache_budget_mb: 0, // no prompt profits from the state that an earlier one left
    ...(n_max > 0 && { speculative: { type: 'draft-mtp', n_max, ...(draft_model && { draft: { model: draft_model } }) } }),
  });
  await tell({ loaded: true });

  for (const prompt of prompts) {
    let first = 0;
    let last = 0;
    const answer = await context.completion({ prompt, n_predict, temperature: 0, top_k: 1, ignore_eos: true }, () => {
      last = performance.now();
      first ||= last;
    });
    // Without drafting, llama.node counts one token fewer than the text holds.
    const tokens = answer.tokens_predicted + (n_max > 0 ? 0 : 1);
    // Its own timings are no use: they count verified drafts as prompt tokens.
    const seconds = (last - first) / 1000;
    await tell({
      completed: {
        text: answer.text,
        tokens,
        drafted: answer.draft_tokens ?? 0,
        accepted: answer.draft_tokens_accepted ?? 0,
        tokens_per_second: tokens > 1 && seconds > 0 ? (tokens - 1) / seconds : null,
      },
    });
  }
}

function tell(message) {
  return new Promise((resolve) => process.send(message, resolve));
}

if (process.argv[1] === self && process.send) {
  process.on('disconnect', () => process.exit(1));
  process.once('message', (job) =>
    work(job)
      .catch((error) => tell({ error: error.message }))
      .then(() => tell({ done: true }))
      .then(() => process.exit(0)),
  );
}
