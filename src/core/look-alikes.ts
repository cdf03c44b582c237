/**
 * Letters that are drawn like a letter or digit of ASCII, from Unicode's confusables.txt: those of Cyrillic, Greek and
 * Armenian, upper and lower case apart, for В is drawn like B and в like no Latin letter. And those of Latin itself:
 * IPA, phonetic and small capitals.
 */
const LOOK_ALIKES: Readonly<Record<string, string>> = {
  a: 'аα ɑᴀ',
  A: 'АΑ',
  b: 'Ь Ƅʙ',
  B: 'ВΒ Ꞵ',
  c: 'с ᴄ',
  C: 'С',
  d: 'ԁ ᴅ',
  e: 'еҽ ꬲᴇ',
  E: 'ЕΕ',
  f: 'ք ꬵꞙꜰ',
  F: 'Ϝ Ꞙ',
  g: 'ց ɡᶃƍɢ',
  G: 'Ԍ',
  h: 'һհ ʜ',
  H: 'НΗ',
  i: 'іꙇӏι ıɪɩ',
  j: 'јϳ ȷᴊ',
  J: 'ЈͿ Ʝ',
  k: 'ᴋĸ',
  K: 'КΚ',
  l: 'ІӀΙ Ɩǀʟ',
  m: 'ᴍ',
  M: 'МΜϺ',
  n: 'ոռ ɴ',
  N: 'Ν',
  o: 'оοσօ ᴏᴑꬽ',
  O: 'ОΟՕ',
  p: 'рρ ᴘ',
  P: 'РΡ',
  q: 'ԛգզ',
  r: 'г ꭇꭈʀ',
  R: 'Ʀ',
  s: 'ѕ ꜱƽ',
  S: 'ЅՏ',
  t: 'ᴛ',
  T: 'ТΤ',
  u: 'υս ꞟᴜꭎꭒʋ',
  U: 'Ս',
  v: 'ѵν ᴠ',
  V: 'Ѵ',
  w: 'ѡԝա ɯᴡ',
  W: 'Ԝ',
  x: 'х',
  X: 'ХΧ Ꭓ',
  y: 'уүγ ɣᶌʏỿꭚ',
  Y: 'УҮΥ',
  z: 'ᴢ',
  Z: 'Ζ',
  2: 'Ꙅ ꝚƧ',
  3: 'ЗӠ ꞫȜƷꝪ',
  5: 'Ƽ',
  6: 'б',
  8: 'ȣȢ',
  9: 'Ꝯ',
}

const DRAWN_LIKE: ReadonlyMap<string, string> = new Map(
  Object.entries(LOOK_ALIKES).flatMap(([ascii, letters]) =>
    [...letters.replace(' ', '')].map((letter): [string, string] => [letter, ascii]),
  ),
)

/** Latin letters of that table with which languages are written, Turkish for one; the others are for phoneticians. */
const IN_USE = new Set('\u0131\u0263\u0269\u028b')

/**
 * Whether a name seems to be one in plain Latin letters: all its letters are of another script and drawn like Latin
 * ones, or one of them is a Latin letter made for phonetics. Of a name with even one letter that Latin does not have,
 * everybody sees that it is not.
 */
export function imitatesLatin(name: string): boolean {
  const strange = [...name.normalize('NFKC')].filter((character) => /[^\p{ASCII}]/u.test(character))
  const isLatin = (letter: string) => /\p{Script=Latin}/u.test(letter)
  if (strange.every((letter) => DRAWN_LIKE.has(letter)) && !strange.every(isLatin)) return true
  return strange.some((letter) => isLatin(letter) && DRAWN_LIKE.has(letter) && !IN_USE.has(letter))
}

/**
 * What is left of a name when everything that is easily overlooked is taken away: look-alikes, case, marks, and the
 * difference between `0` and `o`, `1`, `l` and `i`, `rn` and `m`, `vv` and `w`. Two names with one skeleton can be
 * taken for each other. Never to be stored or shown.
 */
export function skeleton(name: string): string {
  return [...name.normalize('NFKC')]
    .map((character) => DRAWN_LIKE.get(character) ?? character)
    .join('')
    .toLowerCase()
    .normalize('NFD')
    .replace(/\p{M}/gu, '')
    .replaceAll('0', 'o')
    .replace(/[1i|]/g, 'l')
    .replaceAll('rn', 'm')
    .replaceAll('vv', 'w')
}
