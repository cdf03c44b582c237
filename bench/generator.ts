import { answerQuestions } from './answer-questions.js'
import type { LoadOptions } from './load.ts'
import { load } from './load.ts'
import type { TrafficKind } from './traffic.ts'
import { createTraffic } from './traffic.ts'

/** A load for the generator, which is a process of its own and makes its tokens before the clock starts. */
export interface LoadOrder extends LoadOptions {
  readonly ask: 'load'
  readonly traffic: TrafficKind
  readonly [detail: string]: unknown
}

answerQuestions({
  load: (order: LoadOrder) => load(createTraffic(order.traffic, order.connections), order),
})
