import t from 'tap'
import { deviceLabel } from '../../src/core/device-label.ts'

/** As they were sent: browsers of today and yesterday, pages inside apps, apps, and programs. */
const LABELS: Readonly<Record<string, string>> = {
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:131.0) Gecko/20100101 Firefox/131.0': 'Firefox on Windows',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36':
    'Chrome on Windows',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0':
    'Edge on Windows',
  'Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko': 'Internet Explorer on Windows',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15':
    'Safari on macOS',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36':
    'Chrome on macOS',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36 OPR/114.0.0.0':
    'Opera on macOS',
  'Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0': 'Firefox on Linux',
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/130.0.0.0 Safari/537.36':
    'Chrome on Linux',
  'Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36':
    'Chrome on ChromeOS',
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36 Vivaldi/6.9.3447.48':
    'Vivaldi on Linux',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Mobile/15E148 Safari/604.1':
    'Safari on iPhone',
  'Mozilla/5.0 (iPad; CPU OS 16_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/130.0.6723.37 Mobile/15E148 Safari/604.1':
    'Chrome on iPad',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/131.0 Mobile/15E148 Safari/605.1.15':
    'Firefox on iPhone',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148':
    'App on iPhone',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/21G80 [FBAN/FBIOS;FBAV/485.0.0]':
    'App on iPhone',
  'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Mobile Safari/537.36':
    'Chrome on Android',
  'Mozilla/5.0 (Android 14; Mobile; rv:132.0) Gecko/132.0 Firefox/132.0': 'Firefox on Android',
  'Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/26.0 Chrome/122.0.0.0 Mobile Safari/537.36':
    'Samsung Internet on Android',
  'Mozilla/5.0 (Linux; Android 13; Pixel 7; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/129.0.6668.100 Mobile Safari/537.36':
    'App on Android',
  'Dalvik/2.1.0 (Linux; U; Android 13; Pixel 7 Build/TQ3A.230901.001)': 'App on Android',
  'okhttp/4.12.0': 'App on Android',
  'Acme/142 CFNetwork/1496.0.7 Darwin/23.5.0': 'App on an Apple device',
  'Acme/3.2 (iPhone; iOS 17.1; Scale/3.00)': 'App on iPhone',
  'Acme/5.9.1 (com.example.acme; build:1; iOS 17.1.0) Alamofire/5.9.1': 'App on iOS',
  'Dart/3.5 (dart:io)': 'Flutter app',
  'curl/8.10.1': 'curl',
  'Wget/1.24.5': 'Wget',
  'PostmanRuntime/7.42.0': 'Postman',
  'python-requests/2.32.3': 'Python program',
  'Python/3.12 aiohttp/3.10.5': 'Python program',
  'Go-http-client/2.0': 'Go program',
  'axios/1.7.7': 'Node.js program',
  node: 'Node.js program',
  '': 'Unknown device',
  'Mozilla/5.0': 'Unknown device',
  'something of its own/1.0': 'Unknown device',
}

t.test('a device is named as its owner would name it', async (t) => {
  for (const [userAgent, label] of Object.entries(LABELS)) t.equal(deviceLabel(userAgent), label, userAgent)
})

t.test('nobody can put words of his own into a label, nor make it long, nor make it slow', async (t) => {
  const words = new Set(Object.values(LABELS))
  for (const hostile of [
    'Call 0800 1234',
    'http://evil.example',
    '<b>x</b>',
    '\r\nBcc: a@b.c',
    'Version/1 '.repeat(30),
  ]) {
    for (const userAgent of [
      hostile,
      `Mozilla/5.0 (Windows NT 10.0; ${hostile}) Firefox/131.0 ${hostile}`,
      `curl/${hostile}`,
    ])
      t.ok(words.has(deviceLabel(userAgent)), deviceLabel(userAgent))
  }
})
