// SPDX-License-Identifier: Apache-2.0
// Models and grafts in several files.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import {
  args,
  assertSameText,
  baseline,
  execute,
  generate,
  graft,
  here,
  model,
  MTPGRAFT,
  once,
  TARGET,
  test,
  work,
} from './e2e_tools.mjs';

const splitFixtures = once(async () => {
  const script = here('../support/make_fixtures.py');
  const made = await execute('python3', [script, '--models', args.models, '-o', work, 'split']);
  assert.equal(made.status, 0, made.text);
});

let sets = 0;

// The text must be the ungrafted model's, and each draft that of the same graft in one file.
for (const [name, fixtureName, ...flags] of [
  ['a split model', 'four-Q4_K_M-00001-of-00004'],
  ['a split model whose first file has no tensors', 'bare-00001-of-00003'],
  ['a split model, --merge', 'four-Q4_K_M-00001-of-00004', '--merge'],
  ['--split-head', null, '--split-head'],
]) {
  test(`${name}: drafts as the same graft in one file`, async () => {
    await splitFixtures();
    const path = await model(TARGET);
    const target = fixtureName ? join(work, 'split', `${fixtureName}.gguf`) : path;
    const donor = await model('mtp-base-8L-Q8_0');
    const prefix = join(work, `set-${++sets}`);
    const grafted = await execute(MTPGRAFT, ['graft', '--json', target, donor, '-o', `${prefix}.gguf`, ...flags]);
    assert.equal(grafted.status, 0, grafted.text);
    const out = JSON.parse(grafted.stdout).result.output;
    const one = await generate(await graft(path, donor), 2);
    const set = await generate(out, 2);
    assertSameText(set, await baseline(path));
    assert.deepEqual([set.drafted, set.accepted], [one.drafted, one.accepted]);
    return `${JSON.parse(grafted.stdout).result.outputs.length} files, ${set.accepted}/${set.drafted}`;
  });
}
