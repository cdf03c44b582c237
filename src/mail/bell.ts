export interface Bell {
  ring(): void
  /** Resolves after the time, or at once when the bell rings or has rung since the last wait. */
  wait(seconds: number): Promise<void>
}

/** A pause that can be cut short, and a call that is not lost when nobody is waiting yet. */
export function createBell(): Bell {
  let hasRung = false
  let wakeUp: (() => void) | undefined
  return {
    ring() {
      hasRung = true
      wakeUp?.()
    },
    async wait(seconds) {
      if (!hasRung) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, seconds * 1000)
          wakeUp = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
      hasRung = false
      wakeUp = undefined
    },
  }
}
