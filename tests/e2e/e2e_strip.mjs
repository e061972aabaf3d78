// SPDX-License-Identifier: Apache-2.0
// Heads that are taken out again, and the keys that a graft changes beside them.

import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  assertSameBytes,
  assertSameText,
  baseline,
  checkDrafts,
  checkKeys,
  checkLayout,
  checkTensors,
  expectedKeys,
  generate,
  model,
  mtpgraft,
  PROMPTS,
  read,
  TARGET,
  test,
  work,
  write,
} from './e2e_tools.mjs';
import { reason, run } from './llama.mjs';

const HEAD = 'mtp-base-8L-BF16';

for (const name of [TARGET, 'target-recurrent-layers']) {
  test(`strip: ${name} again, byte for byte, with and without record`, async () => {
    const target = await model(name);
    for (const flags of [[], ['--no-record']]) {
      assertSameBytes(await write('strip', await write('graft', target, await model(HEAD), ...flags)), target);
    }
  });
}

test('strip --in-place: a placeholder is refused before, same text after', async () => {
  const path = join(work, 'placeholder.gguf');
  copyFileSync(await model('target-placeholder'), path);
  const before = await run({ model: path, prompts: PROMPTS.slice(0, 1), n_predict: 4 });
  assert.equal(before.loaded, false);
  assert.equal(reason(before), "missing tensor 'blk.12.attn_norm.weight'");

  const placeholder = await read(path);
  await mtpgraft('strip', '--in-place', path);
  const stripped = await read(path);
  checkKeys(stripped.keys, expectedKeys(placeholder, placeholder, 0));
  checkTensors(stripped, placeholder.tensors, placeholder.alignment);
  // It could not generate, but its trunk is the bundled target's.
  assertSameText(await generate(path, 0), await baseline(await model(TARGET)));
});

test('--yarn, --set: runs in the longer context, drafts; strip takes them back', async () => {
  const target = await model(TARGET);
  const donor = await model(HEAD);
  const flags = ['--yarn', '4', '--set', 'general.name=str:Long'];
  const out = await write('graft', target, donor, ...flags);
  await mtpgraft('verify', out, '--target', target, '--donor', donor, '--allow-edits');
  const U32 = 4;
  const F32 = 6;
  const STRING = 8;
  const editedKeys = {
    'general.name': { value: 'Long', type: STRING },
    'qwen35.context_length': { value: 4 * 4096, type: U32 },
    'qwen35.rope.scaling.type': { value: 'yarn', type: STRING },
    'qwen35.rope.scaling.factor': { value: 4, type: F32 },
    'qwen35.rope.scaling.original_context_length': { value: 4096, type: U32 },
  };
  await checkLayout(target, donor, out, { editedKeys });

  // Other positions make another text than the target's.
  const options = { prompts: PROMPTS.slice(0, 3), n_predict: 48, n_ctx: 4 * 4096 };
  const undrafted = await generate(out, 0, options);
  assert.match(undrafted.log, /n_ctx_train += 16384\n/);
  assert.match(undrafted.log, /rope scaling += yarn\n/);
  assert.match(undrafted.log, /freq_scale_train += 0.25\n/);
  assert.match(undrafted.log, /n_ctx_orig_yarn += 4096\n/);
  assert.match(undrafted.log, /general.name += Long\n/);
  assert.doesNotMatch(undrafted.log, /training context overflow/);
  const asRight = (rate, _, figure) => assert.ok(rate > 0.6, figure);
  const figures = await checkDrafts(out, undrafted, [1, 2], asRight, options);

  assertSameBytes(await write('strip', out), target);
  // Without a record, strip cannot tell which keys were set.
  const kept = await write('strip', await write('graft', target, donor, ...flags, '--no-record'));
  const [stripped, original] = await Promise.all([kept, target].map(read));
  checkKeys(stripped.keys, { ...original.keys, ...editedKeys });
  checkTensors(stripped, original.tensors, original.alignment);
  assertSameText(await generate(kept, 0, options), undrafted);
  return figures;
});
