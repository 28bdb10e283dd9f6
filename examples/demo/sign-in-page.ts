import { renderNarrowPage } from './narrow-page.js'

export interface SignInPage {
  /** Who asks: it stands in a sentence. */
  readonly whose: string
  readonly mistaken: boolean
}

/** A sign-in form. It posts to its own address. */
export function renderSignIn ({ whose, mistaken }: SignInPage): string {
  return renderNarrowPage({
    title: `Sign in · demo ${whose}`,
    body: `    <h1>Sign in</h1>
    <p class="lead">This is the demo’s ${whose}. The terminal that runs the demo shows the login.</p>
    <form method="post" class="card">
      ${mistaken ? '<p role="alert" class="alert">The e-mail address or the password is wrong.</p>' : ''}
      <label for="email">E-mail</label>
      <input id="email" name="email" type="email" autocomplete="username" required autofocus>
      <label for="password">Password</label>
      <input id="password" name="password" type="password" autocomplete="current-password" required>
      <button class="primary">Sign in</button>
    </form>`
  })
}
