export async function users(_args: readonly string[], _print: (line: string) => void): Promise<void> {}
