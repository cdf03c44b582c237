import type { Always } from './settings.ts'
import { httpsOnly, pageUrl } from './urls.ts'
import { duration, trueFalse } from './values.ts'

const always = <T>(setting: Always<T>) => setting

/** Settings of the dialects beside our own contract: a part of the table in settings.ts. */
export const dialectSettings = {
  authtokenTtlSeconds: always({
    name: 'AUTHTOKEN_TTL',
    value: duration('1m', '365d'),
    default: '30d',
    about: 'Life of a token of the dialect authtoken, and of its session',
    why: 'There it never ends; a month is what a phone that is used now and then does not notice',
  }),
  signupTtlSeconds: always({
    name: 'SIGNUP_TTL',
    value: duration('1m', '365d'),
    default: '24h',
    about: 'Life of a token of the dialect signup, and of its session',
    why: 'What its clients are used to',
  }),
  knoxTtlSeconds: always({
    name: 'KNOX_TTL',
    value: duration('1m', '365d'),
    default: '10h',
    about: 'Life of a token of the dialect knox, and of its session',
    why: 'The default of django-rest-knox',
  }),
  simplejwtRotate: always({
    name: 'SIMPLEJWT_ROTATE',
    value: trueFalse,
    default: 'false',
    about: 'Whether sessions of the dialect simplejwt rotate their refresh token',
    why: 'Its clients keep the first refresh token for ever; one that stores each new one is safer with true',
  }),
  simplejwtStatusRefresh: always({
    name: 'SIMPLEJWT_STATUS_REFRESH',
    value: trueFalse,
    default: 'false',
    about: 'Whether check-auth-status of the dialect simplejwt gives the refresh token too',
    why: 'An access token must not buy what lives longer than it does',
  }),
  simplejwtRevealAccounts: always({
    name: 'SIMPLEJWT_REVEAL_ACCOUNTS',
    value: trueFalse,
    default: 'false',
    about: 'Whether simplejwt has the endpoints that tell strangers whose address is registered',
    why: 'Nobody but the owner should learn that there is an account',
  }),
  simplejwtActivateByGet: always({
    name: 'SIMPLEJWT_ACTIVATE_BY_GET',
    value: trueFalse,
    default: 'true',
    about: 'Whether opening the link of a letter of simplejwt activates at once, or shows a button first',
    why: 'As its clients expect; set false where mail scanners open links before their readers do',
  }),
  activatedUrl: always({
    name: 'ACTIVATED_URL',
    value: pageUrl,
    inProduction: httpsOnly,
    default: { shown: 'PUBLIC_URL', from: ({ PUBLIC_URL }) => PUBLIC_URL },
    about: 'Your page that follows an activation by simplejwt, with ?activation_complete=true',
    why: 'The start page of the application that stood there before',
  }),
}
