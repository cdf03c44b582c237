// Loaded before everything else, by `NODE_OPTIONS=--import`: the wall clock is ahead or behind, timers are not.
const aheadMs = Number(process.env['CLOCK_AHEAD_MS'])
const { now } = Date

Date.now = () => now() + aheadMs
globalThis.Date = new Proxy(Date, {
  construct: (real, given, target) =>
    Reflect.construct(real, given.length === 0 ? [real.now()] : given, target),
})
