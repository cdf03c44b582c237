import type { Observed, Series } from './metric-kinds.ts'
import { createCounter, createHistogram, LATENCY_BOUNDS } from './metric-kinds.ts'
import type { Metrics } from './metrics.ts'

/** What came of a request, for the metrics. */
export interface Ended {
  readonly method: string
  /** The pattern of the route; `undefined` where the path belongs to none. */
  readonly route: string | undefined
  readonly status: number
  /** The client hung up before its answer was written. */
  readonly aborted: boolean
  readonly ms: number
}

/** Any other method is a stranger's word, and a label for each would let him fill the memory of whoever scrapes. */
const METHODS = ['other', 'GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
const CLASSES = ['aborted', '1xx', '2xx', '3xx', '4xx', '5xx']
export const NO_ROUTE = 'unknown'

/** Counts requests by method, route and class of status; remembers each series, for this is on every hot path. */
export function createRequestMetrics(metrics: Metrics): (ended: Ended) => void {
  const requests = metrics.add(
    createCounter(
      'keyturn_http_requests_total',
      'Requests by method, route (its pattern) and status (its class; aborted where the client hung up first).',
    ),
  )
  const durations = metrics.add(
    createHistogram('keyturn_http_request_seconds', 'How long requests took, by route.', LATENCY_BOUNDS),
  )
  interface Route {
    readonly duration: Observed
    /** By method and class of status. */
    readonly series: (Series | undefined)[]
  }
  const routes = new Map<string, Route>()

  function open(name: string): Route {
    const route = { duration: durations.of({ route: name }), series: [] }
    routes.set(name, route)
    return route
  }

  return ({ method, route: name = NO_ROUTE, status, aborted, ms }) => {
    const route = routes.get(name) ?? open(name)
    const verb = Math.max(0, METHODS.indexOf(method))
    const group = aborted ? 0 : Math.floor(status / 100)
    const at = verb * CLASSES.length + group
    route.series[at] ??= requests.of({
      method: METHODS[verb] ?? '',
      route: name,
      status: CLASSES[group] ?? '',
    })
    route.series[at].add()
    route.duration.observe(ms / 1000)
  }
}
