#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// Measures how many of its drafted tokens a model with an MTP head accepts, with llama.cpp.

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { CANNOT_ROLL_BACK, INSTALL_COMMAND, missingPackages, reason, run } from '../tests/e2e/llama.mjs';

const THREADS = Math.max(1, Math.floor(availableParallelism() / 2));

const HELP = `usage: acceptance.mjs MODEL.gguf [options]

Generates text greedily in llama.cpp (CPU), with and without draft-mtp, and reports how many drafted tokens were
accepted. A right graft accepts most of them at n = 1; a rate near zero means a wrong head. MODEL.gguf must be a whole
model: llama.cpp crashes on a file that holds only a head.

  --prompts FILE.json  a JSON array of prompts (default: a few of code and prose)
  --n-predict N        tokens to generate for each prompt (default: 96)
  --n-max LIST         numbers of tokens to draft at a time (default: 1,2,3)
  --threads N          threads of llama.cpp (default: half of the processors, here ${THREADS})
  --ctx N              context size (default: 2048)
  --json               print one JSON object instead of a table
  --help               print this text

Exit status: 0 measured, 1 not measured (no head, not loaded), 2 wrong usage.
The runtime is installed with: ${INSTALL_COMMAND}
`;

const PROMPTS = [
  'def fibonacci(n):\n    """Return the first n Fibonacci numbers."""\n    numbers = [0, 1]\n',
  '#include <stdio.h>\n\nint main(void) {\n    for (int i = 0; i < 10; i++) {\n        printf(',
  'function groupBy(items, keyOf) {\n  const groups = new Map();\n  for (const item of items) {\n',
  'The history of bread begins long before the first ovens were built. People ground wild grain between stones,',
  'To plan a vegetable garden, start with the sun. Most vegetables need at least six hours of it every day, so',
  'Question: Why does the moon look larger near the horizon?\nAnswer:',
];

class UsageError extends Error {}

function positive(name, text) {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new UsageError(`${name}: '${text}' is no positive integer`);
  return number;
}

function readPrompts(path) {
  let prompts;
  try {
    prompts = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new UsageError(`--prompts: ${error.message}`);
  }
  if (!Array.isArray(prompts) || prompts.length === 0 || !prompts.every((prompt) => typeof prompt === 'string')) {
    throw new UsageError(`--prompts: ${path} holds no JSON array of strings`);
  }
  return prompts;
}

function readOptions() {
  let parsed;
  try {
    parsed = parseArgs({
      allowPositionals: true,
      options: {
        prompts: { type: 'string' },
        'n-predict': { type: 'string', default: '96' },
        'n-max': { type: 'string', default: '1,2,3' },
        threads: { type: 'string', default: String(THREADS) },
        ctx: { type: 'string', default: '2048' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new UsageError(error.message);
  }
  const { values, positionals } = parsed;
  if (values.help) return { help: true };
  if (positionals.length !== 1) throw new UsageError('exactly one model is needed');
  return {
    json: values.json,
    nMax: values['n-max'].split(',').map((n) => positive('--n-max', n)),
    job: {
      model: positionals[0],
      prompts: values.prompts === undefined ? PROMPTS : readPrompts(values.prompts),
      n_predict: positive('--n-predict', values['n-predict']),
      n_threads: positive('--threads', values.threads),
      n_ctx: positive('--ctx', values.ctx),
    },
  };
}

/** Runs one job and adds up its prompts. */
async function measure(job, n_max) {
  const result = await run({ ...job, n_max });
  if (result.error !== null) {
    const why = reason(result);
    if (/doesn't contain MTP layers/.test(why)) throw new Error(`the model has no MTP head (llama.cpp: ${why})`);
    if (CANNOT_ROLL_BACK.test(why)) {
      throw new Error('llama.node cannot draft with this architecture; try llama-server --spec-type draft-mtp');
    }
    throw new Error(result.loaded ? `llama.cpp failed: ${why}` : `llama.cpp cannot load the model: ${why}`);
  }
  const sum = (value) => result.runs.reduce((total, run) => total + value(run), 0);
  const timed = result.runs.filter((run) => run.tokens_per_second !== null);
  const seconds = timed.reduce((total, run) => total + run.tokens / run.tokens_per_second, 0);
  const tokens = sum((run) => run.tokens);
  const drafted = sum((run) => run.drafted);
  const accepted = sum((run) => run.accepted);
  return {
    n_max,
    drafted,
    accepted,
    rate: drafted > 0 ? accepted / drafted : null,
    // Each step of the model yields one token of its own and the drafted ones that it accepts.
    tokens_per_step: tokens / (tokens - accepted),
    tokens_per_second: seconds > 0 ? timed.reduce((total, run) => total + run.tokens, 0) / seconds : null,
  };
}

function table(plain, drafting) {
  const fixed = (value, digits) => value?.toFixed(digits) ?? '-';
  const rows = [
    ['n', 'drafted', 'accepted', 'rate', 'tokens/step', 'tokens/s'],
    ['without', '-', '-', '-', fixed(plain.tokens_per_step, 2), fixed(plain.tokens_per_second, 1)],
    ...drafting.map((row) => [
      String(row.n_max),
      String(row.drafted),
      String(row.accepted),
      fixed(row.rate, 3),
      fixed(row.tokens_per_step, 2),
      fixed(row.tokens_per_second, 1),
    ]),
  ];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) => row.map((cell, column) => cell.padStart(widths[column])).join('  ')).join('\n');
}

async function main() {
  const { help, json, nMax, job } = readOptions();
  if (help) {
    process.stdout.write(HELP);
    return;
  }
  const missing = missingPackages();
  if (missing.length > 0) throw new Error(`not installed: ${missing.join(', ')}; run: ${INSTALL_COMMAND}`);

  // Drafting comes first: a model without a head is then found at once.
  const drafting = [];
  for (const n of nMax) drafting.push(await measure(job, n));
  const plain = await measure(job, 0);

  if (json) {
    const { model, prompts, n_predict, n_threads, n_ctx } = job;
    const settings = { model, prompts: prompts.length, n_predict, n_threads, n_ctx };
    console.log(JSON.stringify({ ...settings, tokens_per_second: plain.tokens_per_second, drafting }));
  } else {
    console.log(table(plain, drafting));
  }
}

try {
  await main();
} catch (error) {
  console.error(`acceptance: ${error.message}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
