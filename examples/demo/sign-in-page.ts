/** The identity server's sign-in form. It posts to its own address. */
export function renderSignIn (mistaken: boolean): string {
  return `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Sign in · demo identity server</title>
  <link rel="icon" href="/icon.svg">
  <link rel="stylesheet" href="/demo.css">
</head>
<body class="narrow">
  <main>
    <h1>Sign in</h1>
    <p class="lead">This is the demo’s identity server. The terminal that runs the demo shows the login.</p>
    <form method="post" class="card">
      ${mistaken ? '<p role="alert" class="alert">The e-mail address or the password is wrong.</p>' : ''}
      <label for="email">E-mail</label>
      <input id="email" name="email" type="email" autocomplete="username" required autofocus>
      <label for="password">Password</label>
      <input id="password" name="password" type="password" autocomplete="current-password" required>
      <button class="primary">Sign in</button>
    </form>
  </main>
</body>
</html>
`
}
