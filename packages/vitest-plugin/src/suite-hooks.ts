import { TestRunner } from 'vitest'
import type { RunnerTestCase, RunnerTestFile, RunnerTestSuite } from 'vitest'

/** A file or a describe block. */
export type Block = RunnerTestFile | RunnerTestSuite

export type AroundBlock = (run: () => Promise<void>, block: Block) => Promise<void>

/** The file or block whose body runs now, while vitest collects; `undefined` once it runs tests. */
export function collectingBlock(): Block | undefined {
  const collector = TestRunner.getCurrentSuite()
  const block = collector.suite ?? collector.file
  return TestRunner.getCurrentTest() || collector.file.result ? undefined : block
}

/** The block itself and those around it, up to the file. */
export function* outwards(block: Block): Generator<Block> {
  let at: Block | undefined = block
  while (at) {
    yield at
    at = at.type === 'suite' && 'filepath' in at ? undefined : (at.suite ?? (at.file === at ? undefined : at.file))
  }
}

/** Wraps every block directly inside `block`, around hooks of its own. Must be called before they run. */
export function wrapInnerBlocks(block: Block, around: AroundBlock): void {
  for (const task of block.tasks) if (task.type === 'suite') TestRunner.getSuiteHooks(task).aroundAll.unshift(run => around(run, task))
}

const marked = new WeakMap<Block, Map<RunnerTestCase, () => void>>()

/**
 * Calls `fn` when the test's own function begins: after the last of its beforeEach hooks. vitest times the function from there, and each
 * hook by itself.
 */
export function whenBodyBegins(test: RunnerTestCase, fn: () => void): void {
  const block = test.suite ?? test.file
  let waiting = marked.get(block)
  if (!waiting) {
    const listeners = new Map<RunnerTestCase, () => void>()
    waiting = listeners
    marked.set(block, listeners)
    TestRunner.getSuiteHooks(block).beforeEach.push(({ task }) => listeners.get(task)?.())
  }
  waiting.set(test, fn)
}
