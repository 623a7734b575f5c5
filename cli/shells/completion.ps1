# adsyncconfig in PowerShell 7: adsyncconfig --show-completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName COMMANDS -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | Where-Object { $_.Extent.StartOffset -lt $cursorPosition } | ForEach-Object {
        if ($_ -is [System.Management.Automation.Language.StringConstantExpressionAst]) { $_.Value } else { $_.Extent.Text }
    })
    $program = 'adsyncconfig'
    $folder = Split-Path -Parent $words[0]
    if ($folder) { $program = Join-Path $folder $program }
    $words[0] = [System.IO.Path]::GetFileNameWithoutExtension($words[0])
    if ($words[0] -ne 'adsyncconfig') { $words = @('adsyncconfig') + $words }
    if (-not $wordToComplete) { $words += '' }
    $env:COMP_WORDS = ($words | ForEach-Object { "'" + $_.Replace("'", "'\''") + "'" }) -join ' '
    $env:COMP_CWORD = $words.Count - 1
    $env:_ADSYNCCONFIG_COMPLETE = 'zsh_complete'
    try { $answer = @(& $program 2>$null) }
    finally { Remove-Item Env:COMP_WORDS, Env:COMP_CWORD, Env:_ADSYNCCONFIG_COMPLETE }
    for ($i = 0; $i + 2 -lt $answer.Count; $i += 3) {
        $value, $help = $answer[$i + 1], $answer[$i + 2]
        if ($answer[$i] -eq 'plain') {
            if ($help -eq '_') { $help = $value } else { $value = $value.Replace('\:', ':') }
            $kind = if ($value.StartsWith('-')) { 'ParameterName' } else { 'ParameterValue' }
            [System.Management.Automation.CompletionResult]::new($value, $value, $kind, $help)
        }
    }
}
