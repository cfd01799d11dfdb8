/** What `AsyncDisposableStack` does where tests need it, which Node 22 has not. */
export class Disposables {
  readonly #disposals: (() => PromiseLike<void> | void)[] = []

  use<D extends AsyncDisposable>(resource: D): D {
    this.defer(() => resource[Symbol.asyncDispose]())
    return resource
  }

  defer(dispose: () => PromiseLike<void> | void): void {
    this.#disposals.push(dispose)
  }

  /** Disposes what was used last first. */
  async disposeAsync(): Promise<void> {
    for (const dispose of this.#disposals.splice(0).toReversed()) await dispose()
  }
}
