// SPDX-License-Identifier: Apache-2.0
// Grafts with mtpgraft, tries the results in llama.cpp, and reads them with a GGUF reader that shares no code with it.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import './e2e_donors.mjs';
import './e2e_remote.mjs';
import './e2e_safetensors.mjs';
import './e2e_sidecars.mjs';
import './e2e_split.mjs';
import './e2e_strip.mjs';
import {
  ACCEPTANCE,
  MTPGRAFT,
  PROMPTS,
  TARGET,
  args,
  asIn,
  asNoise,
  assertSameText,
  baseline,
  blockOf,
  checkGenerates,
  execute,
  generate,
  graft,
  model,
  read,
  test,
  tests,
  work,
} from './e2e_tools.mjs';
import { CANNOT_ROLL_BACK, reason, run } from './llama.mjs';

const JOBS = 2;

// --- Tests -----------------------------------------------------------------------------------------------------------

for (const target of [TARGET, 'target-recurrent-layers']) {
  test(`${target}: generates`, async () => {
    const { texts, tokens } = await baseline(await model(target));
    assert.ok(texts.every((text) => text.trim().length > 0), JSON.stringify(texts));
    return `${tokens} tokens`;
  });

  // Which donor the head comes from does not depend on the target; one is enough for the other.
  for (const head of target === TARGET ? Object.keys(ACCEPTANCE) : Object.keys(ACCEPTANCE).slice(0, 1)) {
    test(`${target} + ${head}: same text, drafts`, async () => {
      const path = await model(target);
      return checkGenerates(await graft(path, await model(head)), path, [1, 2], asIn(head));
    });
  }
}

test(`${TARGET} + mtp-random-8L-F16: same text, drafts noise`, async () => {
  const path = await model(TARGET);
  return checkGenerates(await graft(path, await model('mtp-random-8L-F16')), path, [1], asNoise);
});

test(`${TARGET}: cannot draft`, async () => {
  const result = await run({ model: await model(TARGET), prompts: PROMPTS.slice(0, 1), n_predict: 4, n_max: 1 });
  assert.notEqual(result.error, null);
  assert.match(reason(result), /context type MTP requested but model doesn't contain MTP layers/);
});

test('target-placeholder: refused before, drafts after', async () => {
  const path = await model('target-placeholder');
  const before = await run({ model: path, prompts: PROMPTS.slice(0, 1), n_predict: 4 });
  assert.equal(before.loaded, false);
  assert.equal(reason(before), "missing tensor 'blk.12.attn_norm.weight'");
  // It cannot generate, but its trunk is the bundled target's.
  const head = 'mtp-base-8L-Q8_0';
  return checkGenerates(await graft(path, await model(head)), await model(TARGET), [1], asIn(head));
});

for (const target of ['target-head-count-kv-array', 'target-align-64']) {
  test(`${target}: same text, drafts`, async () => {
    const path = await model(target);
    const head = 'mtp-base-8L-Q8_0';
    return checkGenerates(await graft(path, await model(head)), path, [1], asIn(head));
  });
}

for (const donor of ['donor-norms-f16', 'donor-norms-bf16']) {
  test(`${donor}: norms become F32, drafts`, async () => {
    const path = await model(TARGET);
    return checkGenerates(await graft(path, await model(donor)), path, [1], asIn('mtp-base-8L-BF16'));
  });
}

test('--replace: the right head in place of a random one', async () => {
  const path = await model(TARGET);
  const wrong = await graft(path, await model('mtp-random-8L-F16'));
  const head = 'mtp-base-8L-BF16';
  const right = await graft(wrong, await model(head), '--replace');
  return checkGenerates(right, path, [1], asIn(head));
});

test('target-with-head: refused without --replace, drafts after', async () => {
  const path = await model('target-with-head');
  const head = 'mtp-base-8L-Q4_K_M';
  const donor = await model(head);
  const out = join(work, 'refused.gguf');
  const refused = await execute(MTPGRAFT, ['graft', path, donor, '-o', out]);
  assert.notEqual(refused.status, 0);
  assert.equal(existsSync(out), false, 'a refused graft left a file');
  return checkGenerates(await graft(path, donor, '--replace'), path, [1], asIn(head));
});

// Random weights: no acceptance to speak of, but llama.cpp knows these architectures' heads.

const FEW = { prompts: PROMPTS.slice(0, 2), n_predict: 24 };

for (const donor of ['moe-qwen35moe-donor', 'moe-qwen35moe-donor-fused']) {
  test(`moe-qwen35moe-target + ${donor}: same text, drafts`, async () => {
    const path = await model('moe-qwen35moe-target');
    const out = await graft(path, await model(donor));
    const expected = await generate(path, 0, FEW);
    assertSameText(await generate(out, 0, FEW), expected);
    const drafting = await generate(out, 1, FEW);
    assertSameText(drafting, expected);
    assert.ok(drafting.drafted > 0, 'nothing was drafted');
    return `${drafting.drafted} drafted`;
  });
}

// llama.node drafts only where llama.cpp can roll back recurrent state, which b10257 cannot for qwen3next (llama-server
// drafts all the same, from copies of the state). Loading for MTP still reads every tensor of the head, and beside a
// trunk that can be rolled back, of the same width and vocabulary, the head drafts.
test('moe-qwen3next-target + moe-qwen3next-donor: same text, loads the head, drafts for another trunk', async () => {
  const path = await model('moe-qwen3next-target');
  const out = await graft(path, await model('moe-qwen3next-donor'));
  assertSameText(await generate(out, 0, FEW), await generate(path, 0, FEW));

  const drafting = await run({ model: out, ...FEW, n_max: 1 });
  assert.equal(drafting.loaded, true, reason(drafting));
  assert.match(drafting.error, CANNOT_ROLL_BACK);
  const { tensors, trunkBlocks } = await read(out);
  const head = tensors.filter(({ name }) => blockOf(name) >= trunkBlocks);
  const unread = head.filter(({ name }) => !drafting.log.includes(`loading tensor ${name}\n`));
  assert.deepEqual(unread.map(({ name }) => name), []);

  const trunk = await model('moe-qwen35moe-target');
  const beside = await run({ model: trunk, draft_model: out, ...FEW, n_max: 1, flash_attn: 'off' });
  assert.equal(beside.error, null, reason(beside));
  const drafted = beside.runs.reduce((sum, one) => sum + one.drafted, 0);
  assert.ok(drafted > 0, 'nothing was drafted');
  return `${head.length} tensors, ${drafted} drafted`;
});

// --- Running them ----------------------------------------------------------------------------------------------------

const filter = new RegExp(args.filter);
const selected = tests.filter(({ name }) => filter.test(name));
let passed = 0;
let failed = 0;

async function worker(queue) {
  for (let next = queue.shift(); next; next = queue.shift()) {
    const start = performance.now();
    const seconds = () => `${((performance.now() - start) / 1000).toFixed(1)} s`;
    try {
      const note = await next.body();
      passed += 1;
      console.log(`ok      ${next.name} (${[note, seconds()].filter(Boolean).join('; ')})`);
    } catch (error) {
      failed += 1;
      const text = error instanceof assert.AssertionError ? error.message : error.stack;
      console.log(`not ok  ${next.name} (${seconds()})\n${text.trimEnd().replace(/^/gm, '        ')}`);
    }
  }
}

await Promise.all(Array.from({ length: JOBS }, () => worker(selected)));
const skipped = tests.length - passed - failed;
console.log(`e2e: ${passed} passed, ${failed} failed, ${skipped} skipped`);
// A filter that selects nothing must not look like success.
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
