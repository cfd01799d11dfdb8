import { writeFileSync } from 'node:fs'
import type { SerializedError } from 'vitest'
import type { Reporter, TestCase, TestModule } from 'vitest/node'

/** One test of a fixture run, as vitest saw it. */
export interface FixtureTest {
  /** File, blocks and test: `scope.fixture.ts > block > test`. */
  readonly name: string
  readonly state: string
  readonly errors: readonly FixtureError[]
  readonly annotations: readonly { readonly type: string; readonly message: string }[]
}

export interface FixtureError {
  readonly name: string
  readonly message: string
  readonly stack: string
}

/** Everything of a fixture run that an assertion may need. */
export interface FixtureResults {
  readonly tests: readonly FixtureTest[]
  /** Errors of files and blocks, by the same kind of name. */
  readonly suites: readonly FixtureTest[]
  readonly unhandled: readonly FixtureError[]
}

/** A vitest reporter that leaves the results as JSON where MIDWIRE_FIXTURE_RESULTS says. */
export class ResultsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: ReadonlyArray<SerializedError>): void {
    const tests: FixtureTest[] = []
    const suites: FixtureTest[] = []
    for (const module of modules) {
      const file = module.relativeModuleId.split('/').at(-1) ?? ''
      suites.push({ name: file, state: module.state(), errors: module.errors().map(readError), annotations: [] })
      for (const suite of module.children.allSuites()) {
        suites.push({ name: `${file} > ${suite.fullName}`, state: suite.state(), errors: suite.errors().map(readError), annotations: [] })
      }
      for (const test of module.children.allTests()) tests.push(readTest(file, test))
    }
    const results: FixtureResults = { tests, suites, unhandled: unhandled.map(readError) }
    const place = process.env['MIDWIRE_FIXTURE_RESULTS']
    if (place !== undefined) writeFileSync(place, JSON.stringify(results))
  }
}

function readTest(file: string, test: TestCase): FixtureTest {
  const result = test.result()
  return {
    name: `${file} > ${test.fullName}`,
    state: result.state,
    errors: (result.errors ?? []).map(readError),
    annotations: test.annotations().map(({ type, message }) => ({ type, message })),
  }
}

function readError({ name, message, stack }: { name?: string; message: string; stack?: string }): FixtureError {
  return { name: name ?? 'Error', message, stack: stack ?? '' }
}
