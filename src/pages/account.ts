import { html } from './html.ts'
import type { Page } from './layout.ts'

/** The answer to whoever has deleted the account. */
export function accountDeletedPage(): Page {
  return {
    title: 'Your account is deleted',
    main: html`<p>What we knew about you is gone, and every device is signed out. This page can be closed.</p>`,
  }
}
