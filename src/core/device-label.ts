/** Browsers by the word that tells them, before those whose word they carry too. */
const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/\bEdg(?:e|A|iOS)?\//, 'Edge'],
  [/\b(?:OPR|OPT|OPiOS|Opera)\b/, 'Opera'],
  [/\bSamsungBrowser\//, 'Samsung Internet'],
  [/\bVivaldi\//, 'Vivaldi'],
  [/\bYaBrowser\//, 'Yandex Browser'],
  [/\b(?:DuckDuckGo|Ddg)\//, 'DuckDuckGo'],
  [/\b(?:Firefox|FxiOS)\//, 'Firefox'],
  // The window of a page inside an app calls itself Chrome or Safari, and is neither.
  [/; wv\)|\b(?:FBAN|FBAV|Instagram|Line)\b/, 'App'],
  [/\b(?:Chrome|Chromium|CriOS|HeadlessChrome)\//, 'Chrome'],
  [/\b(?:MSIE |Trident\/)/, 'Internet Explorer'],
  [/\bVersion\/[\d.]+ (?:Mobile\/\w+ )?Safari\//, 'Safari'],
  [/^Mozilla\/.*\bMobile\/\w+$/, 'App'],
  [/^Mozilla\//, 'Browser'],
]

const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/\biPhone\b/, 'iPhone'],
  [/\biPad\b/, 'iPad'],
  [/\biOS\b/, 'iOS'],
  [/\bAndroid\b/, 'Android'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bWindows\b/, 'Windows'],
  [/\b(?:Macintosh|macOS|Mac OS X)\b/, 'macOS'],
  [/\b(?:Linux|X11)\b/, 'Linux'],
]

/** What is no browser, by how it introduces itself. */
const PROGRAMS: readonly (readonly [RegExp, string])[] = [
  [/^curl\//, 'curl'],
  [/^Wget\//, 'Wget'],
  [/^HTTPie\//, 'HTTPie'],
  [/^PostmanRuntime\//, 'Postman'],
  [/^insomnia\//i, 'Insomnia'],
  [/^(?:okhttp|Dalvik)\//, 'App on Android'],
  [/\bCFNetwork\//, 'App on an Apple device'],
  [/^Dart\//, 'Flutter app'],
  [/^(?:python-requests|python-httpx|Python|Python-urllib)\//, 'Python program'],
  [/^Go-/, 'Go program'],
  [/^(?:node|node-fetch|undici|axios)\b/, 'Node.js program'],
  [/^(?:Java|Apache-HttpClient)\//, 'Java program'],
]

const UNKNOWN = 'Unknown device'

/**
 * A device as its owner would name it, "Firefox on Windows", from its User-Agent. It holds only words that stand
 * here: whoever signs in chooses his User-Agent, and must not choose what stands in a letter of ours.
 */
export function deviceLabel(userAgent: string): string {
  const program = first(PROGRAMS, userAgent)
  if (program !== undefined) return program
  const browser = first(BROWSERS, userAgent)
  const system = first(SYSTEMS, userAgent)
  if (system === undefined) return browser === undefined || browser === 'Browser' ? UNKNOWN : browser
  return `${browser ?? 'App'} on ${system}`
}

function first(names: readonly (readonly [RegExp, string])[], userAgent: string): string | undefined {
  return names.find(([word]) => word.test(userAgent))?.[1]
}
