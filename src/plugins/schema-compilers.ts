import AjvCompiler from '@fastify/ajv-compiler'
import SerializerSelector from '@fastify/fast-json-stringify-compiler'

/** Fastify's own compilers, but each schema is compiled once: most answers of most routes have the same few. */
export const compilersFactory = {
  buildValidator: once(AjvCompiler()),
  buildSerializer: once(SerializerSelector()),
}

/** Compilers that remember what they made of a schema, by its text, for as long as the process lives. */
function once<Given extends readonly unknown[], Route, Compiled>(
  build: (...given: Given) => (route: Route) => Compiled,
): (...given: Given) => (route: Route) => Compiled {
  return remember(
    (given) => JSON.stringify(given),
    (...given: Given) => remember(([route]) => schemaText(route), build(...given)),
  )
}

/** What is compiled for a route depends on its schema alone, not on its path. */
function schemaText(route: unknown): string {
  return JSON.stringify(
    typeof route === 'object' && route !== null && 'schema' in route ? route.schema : route,
  )
}

function remember<Given extends readonly unknown[], Value>(
  keyOf: (given: Given) => string,
  make: (...given: Given) => Value,
): (...given: Given) => Value {
  const known = new Map<string, Value>()
  return (...given) => {
    const key = keyOf(given)
    const value = known.get(key) ?? make(...given)
    known.set(key, value)
    return value
  }
}
