import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import { checkAuthStatusAction } from '../src/dialects/canonical/check-auth-status.ts'
import { answerQuestions } from './answer-questions.js'

// The yardstick of the status rows: Fastify alone, with the same answer through the same response schema.
let answer: unknown
const app = Fastify()
app.get('/bare', { schema: { response: { 200: checkAuthStatusAction.answers[200] } } }, () => answer)
await app.listen({ host: '127.0.0.1', port: 0 })

answerQuestions({
  port: () => (app.server.address() as AddressInfo).port,
  say(question: { answer: unknown }) {
    answer = question.answer
  },
})
